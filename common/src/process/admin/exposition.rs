//! Joins the metrics of several processes to one text.

/// A family of metrics: the lines that describe it, and its samples.
#[derive(Debug, Default)]
struct Family {
    name: String,
    head: String,
    samples: String,
}

/// Adds the metrics of other processes to a text in the OpenMetrics format. Each of their samples gets the label `draining`
/// with the process' id. All samples of a family must stand together (OpenMetrics 1.0, section "Metric Families").
pub(super) fn join(own: &str, others: &[(u32, String)]) -> String {
    let mut families = Vec::new();
    parse(own, None, &mut families);
    for (process, text) in others {
        parse(text, Some(*process), &mut families);
    }
    let mut text = String::with_capacity(own.len() * (1 + others.len()));
    for family in &families {
        text.push_str(&family.head);
        text.push_str(&family.samples);
    }
    text.push_str("# EOF\n");
    text
}

fn parse(text: &str, process: Option<u32>, families: &mut Vec<Family>) {
    let mut at = None;
    let mut is_known = false;
    for line in text.lines() {
        let described = line
            .strip_prefix("# HELP ")
            .or_else(|| line.strip_prefix("# TYPE "))
            .or_else(|| line.strip_prefix("# UNIT "));
        let name = described.and_then(|rest| rest.split(' ').next());
        if let Some(name) = name {
            let is_it = |family: &Family| family.name == name;
            if at.is_none_or(|at: usize| !is_it(&families[at])) {
                let found = families.iter().position(is_it);
                is_known = found.is_some();
                at = Some(found.unwrap_or(families.len()));
                if !is_known {
                    families.push(Family {
                        name: name.to_owned(),
                        ..Family::default()
                    });
                }
            }
        }
        let Some(family) = at.and_then(|at| families.get_mut(at)) else {
            continue;
        };
        match (name, line.starts_with('#'), process) {
            (Some(_), ..) if is_known => {}
            (Some(_), ..) => put(&mut family.head, &[line]),
            // The end.
            (None, true, _) => {}
            (None, false, None) => put(&mut family.samples, &[line]),
            (None, false, Some(process)) => {
                let label = format!("draining=\"{process}\"");
                match line.find(['{', ' ']) {
                    Some(end) if line[end..].starts_with("{}") => {
                        put(
                            &mut family.samples,
                            &[&line[..=end], &label, &line[end + 1..]],
                        );
                    }
                    Some(end) if line[end..].starts_with('{') => {
                        let parts = [&line[..=end], &label, ",", &line[end + 1..]];
                        put(&mut family.samples, &parts);
                    }
                    Some(end) => {
                        let parts = [&line[..end], "{", &label, "}", &line[end..]];
                        put(&mut family.samples, &parts);
                    }
                    None => {}
                }
            }
        }
    }
}

fn put(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_other_processes_stand_in_their_families_with_a_label() {
        let own = "# HELP a A.\n# TYPE a counter\na_total{x=\"1\"} 1\n# HELP b B.\n# TYPE b gauge\nb 2\n# EOF\n";
        let other = "# HELP b B.\n# TYPE b gauge\nb 3\n# HELP a A.\n# TYPE a counter\na_total{x=\"1\"} 4\na_total{} 5\n\
                     # TYPE c gauge\nc 6\n# EOF\n";
        let joined = join(own, &[(7, other.to_owned())]);
        let expected = "# HELP a A.\n# TYPE a counter\na_total{x=\"1\"} 1\na_total{draining=\"7\",x=\"1\"} 4\n\
                        a_total{draining=\"7\"} 5\n# HELP b B.\n# TYPE b gauge\nb 2\nb{draining=\"7\"} 3\n\
                        # TYPE c gauge\nc{draining=\"7\"} 6\n# EOF\n";
        assert_eq!(joined, expected);
        assert_eq!(join(own, &[]), own);
    }
}
