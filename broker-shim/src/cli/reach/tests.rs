use super::*;
use std::net::TcpListener;

/// What is said of a broker on a free port of this address, with these settings besides; `{port}` is its port.
fn said(bind: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let broker = Broker::temporary_with(&[("listeners", bind)]).start_blocking().unwrap();
    let port = broker.addr().port();
    let bind = bind.replace(":0", &format!(":{port}"));
    let mut config = BrokerConfig::builder().set("listeners", bind);
    for (key, value) in settings {
        config = config.set(*key, value.replace("{port}", &port.to_string()));
    }
    let us = Us { cluster: broker.catalog().cluster_id().to_owned(), id: 0 };
    let problems = Reach::of(&config.build().unwrap()).map(|reach| reach.problems(&us)).unwrap_or_default();
    // The address of this machine that is named is that of this machine.
    let cut = |text: String| match text.split_once("an address of this machine") {
        Some((head, tail)) => format!("{head}...{}", tail.split_once(", or").unwrap().1),
        None => text,
    };
    problems.into_iter().map(|text| cut(text).replace(&port.to_string(), "PORT")).collect()
}

const OPEN: &str = "PLAINTEXT://0.0.0.0:0";
const LOOP: &str = "PLAINTEXT://127.0.0.1:0";

#[test]
fn nothing_is_said_where_nothing_is_set_or_we_answer() {
    assert!(said(OPEN, &[]).is_empty());
    assert!(said(LOOP, &[("advertised.listeners", "PLAINTEXT://localhost:{port}")]).is_empty());
}

#[test]
fn loopback_is_a_trap_for_others_only_where_others_can_come() {
    let told = said(OPEN, &[("advertised.listeners", "PLAINTEXT://localhost:{port}")]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(
            "--override: advertised.listeners: clients are told PLAINTEXT://localhost:PORT, which leads every other \
             machine to itself: set it to "
        ),
        "{told:?}"
    );
    assert!(
        told[0].ends_with(
            " leave it out and each client is told the address that it dialled; with clients on this machine only it may stay"
        ),
        "{told:?}"
    );
    let old = said(OPEN, &[("advertised.host.name", "127.0.0.1")]);
    assert!(
        old[0].starts_with("--override: advertised.host.name: clients are told PLAINTEXT://127.0.0.1:"),
        "{old:?}"
    );
}

#[test]
fn nobody_there_is_said_with_what_was_found() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = said(OPEN, &[("advertised.listeners", &format!("PLAINTEXT://127.0.0.1:{free}"))]);
    let wrong = format!(
        "--override: advertised.listeners: clients are told PLAINTEXT://127.0.0.1:{free}, but tried from here, \
         127.0.0.1:{free} refused the connection: set it to "
    );
    assert!(told[0].starts_with(&wrong), "{told:?}");
    assert!(
        told[0].ends_with("it may stay only if clients have a way there that this machine has not"),
        "{told:?}"
    );

    let told = said(OPEN, &[("advertised.listeners", "PLAINTEXT://no-such-host.invalid:9092")]);
    assert!(
        told[0].contains("but tried from here, no-such-host.invalid:9092 cannot be resolved"),
        "{told:?}"
    );
}

#[test]
fn another_broker_there_is_named() {
    let other = Broker::temporary_with(&[("broker.id", "7")]).start_blocking().unwrap();
    let at = other.addr().port();
    let told = said(OPEN, &[("advertised.listeners", &format!("PLAINTEXT://127.0.0.1:{at}"))]);
    let there = format!("but there answers broker 7 of cluster {}: set it to ", other.catalog().cluster_id());
    assert!(told[0].contains(&there), "{told:?}");
}

#[test]
fn a_listener_for_others_beside_it_excuses_loopback() {
    // The second one is not there: that is what is said, and only that.
    let told = said(
        OPEN,
        &[
            ("listeners", "PLAINTEXT://0.0.0.0:{port},OUT://0.0.0.0:1"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,OUT:PLAINTEXT"),
            ("advertised.listeners", "PLAINTEXT://localhost:{port},OUT://no-such-host.invalid:1"),
        ],
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("clients are told OUT://no-such-host.invalid:1, but"), "{told:?}");
}

#[test]
fn addresses_of_the_machine_are_read_from_the_kernels_list() {
    let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.77.0.12\n        /32 host \
                LOCAL\n     |-- 10.77.0.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n  \
                |-- 10.77.0.12\n     /32 host LOCAL\n";
    assert_eq!(addresses(trie), [Ipv4Addr::new(10, 77, 0, 12)]);
    assert_eq!(addresses("what is this"), [] as [Ipv4Addr; 0]);
}
