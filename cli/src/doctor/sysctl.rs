//! The settings of the kernel for a target, as a file for `sysctl -p`.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use grandstand_common::exit::{Exit, Failure};

use super::finding::{Finding, Verdict, thousands};

/// The first line. A file without it is not overwritten.
const HEADER: &str = "# Written by `grandstand doctor --write`.";

/// The content of the file: each setting that the target needs, with the reason. Those that are advised only for some
/// machines are comments.
pub(super) fn content(findings: &[Finding], connections: u64) -> String {
    let mut text = format!(
        "{HEADER}\n# For {} connections of one edge on this machine. Load it with `sysctl -p FILE`, or put it into \
         /etc/sysctl.d.\n",
        thousands(connections)
    );
    for finding in findings {
        let Some((name, value)) = &finding.sysctl else {
            continue;
        };
        let why = finding.why.split_whitespace().collect::<Vec<_>>().join(" ");
        let was = match finding.verdict {
            Verdict::Well => format!("it is {}", finding.is),
            _ => format!("it was {}", finding.is),
        };
        // Writing to a string does not fail.
        write!(text, "\n# {why}; {was}\n{name} = {value}\n").ok();
    }
    text
}

/// Writes the file.
///
/// # Errors
/// If it cannot be written, or is not one that `doctor` has written.
pub(super) fn write(file: &Path, content: &str) -> Result<(), Failure> {
    let shown = file.display();
    let refused = |text: String| Failure::new(Exit::NoInput, text);
    match fs::read_to_string(file) {
        Ok(before) if !before.is_empty() && !before.starts_with(HEADER) => {
            return Err(refused(format!(
                "--write: {shown} was not written by `grandstand doctor`, and stays as it is; name another file"
            )));
        }
        Err(why) if why.kind() != ErrorKind::NotFound => {
            return Err(refused(format!("--write: {shown} cannot be read: {why}")));
        }
        _ => {}
    }
    fs::write(file, content)
        .map_err(|why| refused(format!("--write: {shown} cannot be written: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_each_setting_once_with_its_reason() {
        let low = Finding::machine("net.core.somaxconn", "4,096")
            .should("at least 16,384", "the queue")
            .unless(false, Verdict::Fault, "")
            .set("net.core.somaxconn", "16384");
        let other = Finding::machine("memory", "1 GiB");
        let text = content(&[low, other], 1_000_000);
        let wanted = "\n# the queue; it was 4,096\nnet.core.somaxconn = 16384\n";
        assert!(text.ends_with(wanted) && text.starts_with(HEADER), "{text}");
        assert!(
            text.contains("1,000,000") && !text.contains("memory"),
            "{text}"
        );
    }

    #[test]
    fn a_file_of_others_is_not_overwritten() {
        let file = std::env::temp_dir().join(format!("grandstand-sysctl-{}", std::process::id()));
        write(&file, &content(&[], 1)).unwrap();
        write(&file, &content(&[], 2)).unwrap();
        assert!(fs::read_to_string(&file).unwrap().contains("For 2 "));
        fs::write(&file, "vm.swappiness = 1\n").unwrap();
        let failure = write(&file, "").unwrap_err();
        fs::remove_file(&file).unwrap();
        assert_eq!(failure.exit(), Exit::NoInput);
        assert!(failure.to_string().contains("another file"), "{failure}");
        let nowhere = write(Path::new("/nowhere/at/all"), "").unwrap_err();
        assert_eq!(nowhere.exit(), Exit::NoInput);
    }
}
