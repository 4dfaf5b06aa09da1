use super::testing::{broker, get, port, send};
use crate::config::BrokerConfig;
use crate::server::{Broker, StartError};
use std::net::{TcpListener, TcpStream};

#[test]
fn the_port_answers_and_is_gone_with_the_broker() {
    let broker = broker(&[]);
    let address = port(&broker);
    assert_eq!((get(address, "/healthz").status, get(address, "/healthz").body.as_str()), (200, "ok\n"));
    assert_eq!(get(address, "/readyz").status, 200);
    assert_eq!(get(address, "/no/such/page").status, 404);
    broker.shutdown().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_temporary_broker_has_no_port_unless_it_is_asked_for() {
    let broker = Broker::temporary().start_blocking().unwrap();
    assert!(broker.http_addresses().is_empty());
}

#[test]
fn a_name_that_somebody_else_made_point_here_is_refused() {
    let broker = broker(&[]);
    let request = "GET /metrics HTTP/1.1\r\nHost: evil.example:9464\r\nConnection: close\r\n\r\n";
    let answer = send(port(&broker), request);
    assert_eq!(answer.status, 421);
    assert!(answer.body.contains("advertised.listeners"), "{}", answer.body);
}

#[test]
fn a_port_that_is_taken_stops_the_start_only_if_somebody_asked_for_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let error = Broker::temporary_with(&[("http.listener", &taken)]).start_blocking().unwrap_err();
    assert!(matches!(error, StartError::Web(_)));
    let text = error.to_string();
    let expected = format!(
        "cannot listen on {taken} (listener http.listener): in use by process {}",
        std::process::id()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.ends_with("or set http.listener to another port"), "{text}");
    // As if it were the default: nobody asked for it.
    let dir = tempfile::tempdir().unwrap();
    let builder = BrokerConfig::builder().set("listeners", "PLAINTEXT://127.0.0.1:0");
    let builder = builder.set("log.dirs", dir.path().display().to_string()).set("http.listener", &taken);
    let mut config = builder.build().unwrap();
    config.web.is_set = false;
    let broker = Broker::start_blocking(config).unwrap();
    assert!(broker.http_addresses().is_empty());
}

#[test]
fn a_killed_broker_leaves_its_folder_to_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let builder = BrokerConfig::builder().set("listeners", "PLAINTEXT://127.0.0.1:0");
        let builder =
            builder.set("http.listener", "127.0.0.1:0").set("log.dirs", dir.path().display().to_string());
        Broker::start_blocking(builder.build().unwrap()).unwrap()
    };
    let first = start();
    get(port(&first), "/metrics");
    first.kill();
    start();
}

#[test]
fn it_is_not_ready_while_topics_are_made_before_clients_are_served() {
    use crate::metadata::CreateTopic;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = Broker::temporary_with(&[("http.listener", &free.to_string())]).prepare(move |catalog| {
        assert_eq!(get(free, "/readyz").status, 503);
        catalog.create(&CreateTopic { name: "early".to_owned(), ..CreateTopic::default() }).unwrap();
    });
    let broker = broker.start_blocking().unwrap();
    assert_eq!(get(free, "/readyz").status, 200);
    assert!(broker.catalog().topic("early").is_some());
}
