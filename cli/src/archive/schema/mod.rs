//! The tables of the archive, as numbered migrations.
//!
//! A database remembers the number of its last migration. Migrations are never changed once they are released: a change of
//! the tables is a further one, in both languages.

/// A migration in the languages of both databases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    pub(super) postgres: &'static str,
    pub(super) sqlite: &'static str,
}

/// All migrations. The first one makes an empty database version 1.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    postgres: include_str!("postgres_1.sql"),
    sqlite: include_str!("sqlite_1.sql"),
}];

/// The migrations that a database of this version lacks.
///
/// # Errors
/// The version if it is newer than all migrations.
pub(super) fn missing(
    migrations: &'static [Migration],
    version: i64,
) -> Result<&'static [Migration], i64> {
    let done = usize::try_from(version).map_err(|_| version)?;
    migrations.get(done..).ok_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_lacks_the_migrations_after_its_version() {
        let known = MIGRATIONS.len();
        assert_eq!(missing(MIGRATIONS, 0).unwrap().len(), known);
        assert_eq!(missing(MIGRATIONS, known as i64).unwrap().len(), 0);
        assert_eq!(
            missing(MIGRATIONS, known as i64 + 1).err(),
            Some(known as i64 + 1)
        );
        assert_eq!(missing(MIGRATIONS, -1).err(), Some(-1));
    }
}
