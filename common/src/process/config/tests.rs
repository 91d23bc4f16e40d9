use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Test {
    listen: SocketAddr,
    name: String,
    ratio: f64,
    origins: Vec<String>,
    ports: Vec<u16>,
    admin: Admin,
    limits: Limits,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Admin {
    enabled: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    message_bytes: u64,
    grace_period_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 65536,
            grace_period_ms: 500,
        }
    }
}

impl Default for Test {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            name: "edge".to_owned(),
            ratio: 0.5,
            origins: Vec::new(),
            ports: vec![80],
            admin: Admin::default(),
            limits: Limits::default(),
        }
    }
}

impl Config for Test {
    const ENV_PREFIX: &'static str = "GRANDSTAND_TEST";

    fn validate(&self, checks: &mut Checks) {
        let bytes = self.limits.message_bytes;
        checks.range("limits.message_bytes", bytes, 125..=1 << 24);
        checks.require("name", !self.name.is_empty(), || "must not be empty");
        for origin in &self.origins {
            let key = format!("origins.{origin}.url");
            checks.require(
                &key,
                origin.starts_with("https:"),
                || "must begin with https:",
            );
        }
    }
}

/// Loads a file with this text, with these variables and flags.
fn merge(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str, &str)],
) -> Result<Test, Vec<String>> {
    let mut merged = Merged::of::<Test>();
    merged.add_file(Path::new("test.toml"), file);
    let sources = Sources::default().environment(environment.iter().copied());
    let sources = flags.iter().fold(sources, |sources, (name, key, value)| {
        sources.flag(name, key, Some(value))
    });
    merged.add_environment(Test::ENV_PREFIX, &sources.environment);
    merged.add_flags(&sources.flags);
    merged.finish(Test::validate).map_err(|error: ConfigError| {
        let mut lines: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    })
}

#[test]
fn an_empty_configuration_has_the_defaults() {
    assert_eq!(merge("", &[], &[]), Ok(Test::default()));
}

#[test]
fn later_sources_win() {
    let file = "listen = '0.0.0.0:1'\nname = 'file'\nratio = 2\n[limits]\nmessage_bytes = 1000\n";
    let environment = [
        ("GRANDSTAND_TEST_NAME", "environment"),
        ("GRANDSTAND_TEST_LIMITS_MESSAGE_BYTES", "2_000"),
        ("GRANDSTAND_TEST_ORIGINS", "https://a, https://b"),
        ("GRANDSTAND_TEST_PORTS", "[1, 2]"),
        ("GRANDSTAND_TEST_ADMIN_ENABLED", "true"),
        ("PATH", "/bin"),
        ("GRANDSTAND_TESTS", "another program's"),
    ];
    let flags = [("--message-bytes", "limits.message_bytes", "3000")];
    let config = merge(file, &environment, &flags).unwrap();
    assert_eq!(
        config,
        Test {
            listen: ([0, 0, 0, 0], 1).into(),
            name: "environment".to_owned(),
            ratio: 2.0,
            origins: vec!["https://a".to_owned(), "https://b".to_owned()],
            ports: vec![1, 2],
            admin: Admin { enabled: true },
            limits: Limits {
                message_bytes: 3000,
                grace_period_ms: 500
            },
        }
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let file = "
listen = 'nowhere'
nmae = 'x'
[limits]
message_bytes = 7
grace_period_ms = '500ms'
[admin]
grace_period_ms = 1
[nothing]
a = 1
b = 2
";
    let environment = [
        ("GRANDSTAND_TEST_ADMIN_ENABLED", "yes"),
        ("GRANDSTAND_TEST_NAME", ""),
        ("GRANDSTAND_TEST_LISTENS", "x"),
        ("GRANDSTAND_TEST_PORTS", "80,http"),
    ];
    let flags = [("--ratio", "ratio", "half")];
    assert_eq!(
        merge(file, &environment, &flags).unwrap_err(),
        [
            "environment variable GRANDSTAND_TEST_ADMIN_ENABLED: `admin.enabled` must be true or false",
            "environment variable GRANDSTAND_TEST_LISTENS: sets no known key",
            "environment variable GRANDSTAND_TEST_NAME: `name` must not be empty",
            "environment variable GRANDSTAND_TEST_PORTS: `ports` must be a list of the same kind",
            "flag --ratio: `ratio` must be a number",
            "test.toml:2: `listen` invalid socket address syntax",
            "test.toml:3: `nmae` is not a known key; did you mean `name`?",
            "test.toml:5: `limits.message_bytes` must be an integer from 125 to 16777216, is 7",
            "test.toml:6: `limits.grace_period_ms` must be an integer",
            "test.toml:8: `admin.grace_period_ms` is not a known key; did you mean `limits.grace_period_ms`?",
            "test.toml:9: `nothing` is not a known section",
        ]
    );
}

#[test]
fn a_problem_within_a_list_has_the_position_of_the_list() {
    let problems = merge("\norigins = ['ftp']\n", &[], &[]).unwrap_err();
    assert_eq!(
        problems,
        ["test.toml:2: `origins.ftp.url` must begin with https:"]
    );
}

#[test]
fn invalid_toml_is_reported_with_its_position() {
    let problems = merge("name = 'a'\nname 'b'\n", &[], &[]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("test.toml:2: is not TOML: "),
        "{problems:?}"
    );
    let problems = merge("name = 'a'\nname = 'b'\n", &[], &[]).unwrap_err();
    assert!(problems[0].starts_with("test.toml:2: "), "{problems:?}");
    let problems = merge("ratio = 99999999999999999999", &[], &[]).unwrap_err();
    assert!(problems[0].starts_with("test.toml:1: "), "{problems:?}");
}

#[test]
fn values_out_of_range_are_reported() {
    let problems = merge("ports = [70000]\n[limits]\nmessage_bytes = -1", &[], &[]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("`ports`"), "{problems:?}");
    assert!(
        problems[1].contains("`limits.message_bytes`"),
        "{problems:?}"
    );
}

#[test]
fn variables_that_kubernetes_adds_are_ignored() {
    let environment = [
        ("GRANDSTAND_TEST_SERVICE_HOST", "10.0.0.1"),
        ("GRANDSTAND_TEST_SERVICE_PORT_HTTP", "80"),
        ("GRANDSTAND_TEST_PORT", "tcp://10.0.0.1:80"),
        ("GRANDSTAND_TEST_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("GRANDSTAND_TEST_ADMIN_PORT", "tcp://10.0.0.1:81"),
        ("GRANDSTAND_TEST_CONFIG", "/etc/grandstand/test.toml"),
    ];
    assert_eq!(merge("", &environment, &[]), Ok(Test::default()));
}

#[test]
fn check_reports_problems_and_returns_the_exit_code() {
    let none = Sources::default();
    let mut out = Vec::new();
    assert_eq!(check::<Test>(&none, &mut out).unwrap(), Exit::Ok);

    let wrong = Sources::default().environment([("GRANDSTAND_TEST_RATIO", "x")]);
    assert_eq!(check::<Test>(&wrong, &mut out).unwrap(), Exit::Config);

    let absent = Sources {
        file: Some("/nowhere/test.toml".into()),
        ..Sources::default()
    };
    assert_eq!(check::<Test>(&absent, &mut out).unwrap(), Exit::NoInput);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("/nowhere/test.toml"), "{text}");
}

#[test]
fn a_documented_file_has_every_key_with_its_default() {
    let good = r#"
# Where clients connect.
listen = "127.0.0.1:8080"
name = "edge" # What it is called.
# A share, 0 to 1.
ratio = 0.5
# Whose pages may connect; all if empty.
origins = []
# Ports.
ports = [80]

[admin]
# Whether there is one.
enabled = false

[limits]
# The largest message, bytes.
message_bytes = 65536
# Milliseconds.
grace_period_ms = 500
"#;
    check_documented::<Test>(good).unwrap();
    let told = |text: &str| check_documented::<Test>(text).unwrap_err().to_string();
    let text = told(&good.replace("500", "501"));
    assert_eq!(
        text,
        "(documented):20: `limits.grace_period_ms` must be the default, 500"
    );
    let text = told(&good.replace("# Ports.\n", ""));
    assert_eq!(
        text,
        "(documented):9: `ports` needs a comment above it or on its line"
    );
    let text = told(&good.replace("enabled = false", "more = 1"));
    assert!(text.contains("`admin.enabled` is missing"), "{text}");
    assert!(text.contains("`admin.more` is not a known key"), "{text}");
}
