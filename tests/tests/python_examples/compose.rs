//! The compose file: what it sets for its services, and whether it says what compose has to read in it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use corrente_tests::install::{self, Missing};
use corrente_tests::{place, process};
use serde_json::Value;

/// The variables that `compose.yml` sets for a service.
///
/// It reads what the file is, not what YAML can be: services at two blanks, their keys at four, variables at six.
///
/// # Panics
///
/// If the file has no such service, or sets nothing for it.
pub(crate) fn environment(service: &str) -> Vec<(String, String)> {
    let path = place::workspace().join("compose.yml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut in_service, mut in_environment) = (false, false);
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let depth = line.len() - line.trim_start().len();
        match depth {
            0..=2 => in_service = line.trim() == format!("{service}:"),
            4 => in_environment = line.trim() == "environment:",
            6 if in_service && in_environment => {
                let (key, value) = line.trim().split_once(": ").expect("a variable and its value");
                found.push((key.to_owned(), value.trim_matches('"').to_owned()));
            }
            _ => {}
        }
    }
    assert!(!found.is_empty(), "compose.yml sets nothing for {service}");
    found
}

/// By a parser of YAML, for no engine is at hand: the services, what they are built from, and what is set for them.
pub(crate) fn is_what_compose_wants() -> Result<(), Missing> {
    let python = install::python("pyyaml", 8, 14, &["PyYAML"])?;
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let mut command = Command::new(python);
    command.args(["-c", program]).arg(place::workspace().join("compose.yml"));
    let read = process::run(&mut command, &[], Duration::from_secs(60)).success("compose.yml").stdout;
    let read: Value = serde_json::from_str(&read).expect("it prints JSON");
    let services = read["services"].as_object().expect("services");
    for service in ["kafka", "app"] {
        let set = services[service]["environment"].as_object().expect("variables");
        let set: Vec<_> = set.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let mut ours = environment(service);
        ours.sort();
        assert_eq!(set, ours, "{service}: variables as text, as compose passes them on");
    }
    assert_eq!(services["app"]["environment"]["kafka_host_url"], "kafka:9092");
    for (service, image) in [("zookeeper", "corrente-zookeeper"), ("kafka", "corrente")] {
        assert_eq!(services[service]["image"], image);
        assert_eq!(services[service]["build"]["target"], image, "one recipe, a target for each");
    }
    assert!(place::workspace().join(text(&services["app"]["build"])).join("Dockerfile").exists());
    for (service, needs) in [("kafka", "zookeeper"), ("app", "kafka")] {
        assert_eq!(services[service]["depends_on"][needs]["condition"], "service_healthy");
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}: expected text, so that YAML changes nothing of it"))
        .to_owned()
}
