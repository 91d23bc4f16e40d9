//! Values by a name that comes from outside, of which only so many are kept apart that they can be labels of metrics.

/// The most names that are kept apart. All further ones share one value, under the name [`OTHER`].
pub const MOST_NAMES: usize = 32;

/// The name of all names that came after the first [`MOST_NAMES`].
pub const OTHER: &str = "other";

/// Values by name, for few names.
#[derive(Debug)]
pub struct ByName<T>(Vec<(Box<str>, T)>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByName<T> {
    /// The value of a name, which is made if the name is new.
    pub fn get_or_insert(&mut self, name: &str, make: impl FnOnce() -> T) -> &mut T {
        let known = self.position(name);
        let at = known.unwrap_or_else(|| {
            let name = if self.0.len() < MOST_NAMES {
                name
            } else {
                OTHER
            };
            self.position(name).unwrap_or_else(|| {
                self.0.push((name.into(), make()));
                self.0.len() - 1
            })
        });
        &mut self.0[at].1
    }

    /// All names with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// All names with their values, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut T)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    fn position(&self, name: &str) -> Option<usize> {
        // There are one to three in nearly all deployments.
        self.0.iter().position(|(known, _)| **known == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_first_ones_share_a_value() {
        let mut counts = ByName::<u32>::default();
        for i in 0..100 {
            *counts.get_or_insert(&format!("game{i}"), || 0) += 1;
        }
        *counts.get_or_insert("game0", || 0) += 1;
        let all: Vec<_> = counts
            .iter()
            .map(|(name, count)| (name.to_owned(), *count))
            .collect();
        assert_eq!(all.len(), MOST_NAMES + 1);
        assert_eq!(all[0], ("game0".to_owned(), 2));
        assert_eq!(all[MOST_NAMES], (OTHER.to_owned(), 100 - MOST_NAMES as u32));
    }
}
