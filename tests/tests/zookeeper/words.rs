//! Four-letter words, asked by a plain socket.

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;

/// Each word that operators and scripts ask, with what they look for in the answer.
pub(crate) fn are_answered() -> Result<(), Missing> {
    let server = Zookeeper::start(&[])?;
    let mut session = server.session();
    session.create("/words", b"12345", 0).expect("connected").expect("created");
    session.create("/words/e", b"", 1).expect("connected").expect("created");
    let zxid = session.ping().expect("connected");

    assert_eq!(ask(&server, "ruok"), "imok");
    assert_eq!(ask(&server, "isro"), "rw");
    for word in ["srvr", "stat"] {
        let answer = ask(&server, word);
        for line in ["Zookeeper version: ", "Latency min/avg/max: ", "Received: ", "Sent: ", "Connections: "]
        {
            assert!(answer.lines().any(|found| found.starts_with(line)), "{word}: no {line:?} in {answer}");
        }
        for line in [&format!("Zxid: 0x{zxid:x}"), "Mode: standalone", "Outstanding: 0"] {
            assert!(answer.lines().any(|found| found == line), "{word}: no {line:?} in {answer}");
        }
        let nodes = answer.lines().find_map(|line| line.strip_prefix("Node count: ")).expect("a node count");
        assert!((3..12).contains(&nodes.parse::<u32>().expect("a number")), "{answer}");
        assert_eq!(answer.contains("/127.0.0.1:"), word == "stat", "clients are in stat only: {answer}");
    }
    monitoring(&server);
    let id = format!("0x{:x}", session.id);
    assert!(ask(&server, "cons").contains(&format!("sid={id}")), "cons names the session");
    assert!(ask(&server, "dump").contains("/words/e"), "dump names ephemeral nodes");
    assert!(ask(&server, "dump").contains(&id), "dump names the session");
    let conf = ask(&server, "conf");
    for line in
        [&format!("clientPort={}", server.address().port()), "tickTime=3000", "minSessionTimeout=6000"]
    {
        assert!(conf.lines().any(|found| found == line), "no {line:?} in {conf}");
    }
    assert!(ask(&server, "envi").contains("zookeeper.version="), "envi");
    assert!(ask(&server, "wchs").contains("Total watches:"), "wchs");
    session.close().expect("connected");
    Ok(())
}

/// `mntr` is lines of a name, a TAB and a value.
fn monitoring(server: &Zookeeper) {
    let answer = ask(server, "mntr");
    let value = |name: &str| {
        let found = answer.lines().filter_map(|line| line.split_once('\t')).find(|(key, _)| *key == name);
        found.unwrap_or_else(|| panic!("no {name} in {answer}")).1.to_owned()
    };
    assert_eq!(value("zk_server_state"), "standalone");
    assert_eq!(value("zk_ephemerals_count"), "1");
    for name in ["zk_version", "zk_avg_latency", "zk_packets_received", "zk_packets_sent", "zk_watch_count"] {
        value(name);
    }
    for name in ["zk_num_alive_connections", "zk_znode_count", "zk_approximate_data_size"] {
        assert!(value(name).parse::<u64>().is_ok_and(|number| number > 0), "{name} in {answer}");
    }
}

/// Without a list, only `srvr` is answered; the others get a sentence that names the list.
pub(crate) fn have_a_list() -> Result<(), Missing> {
    let server = Zookeeper::start(&[("4lw.commands.whitelist", "srvr, ruok")])?;
    assert_eq!(ask(&server, "ruok"), "imok");
    assert!(ask(&server, "srvr").contains("Mode: standalone"));
    assert_eq!(ask(&server, "mntr").trim(), "mntr is not executed because it is not in the whitelist.");
    Ok(())
}

fn ask(server: &Zookeeper, word: &str) -> String {
    server.four_letters(word).unwrap_or_else(|error| panic!("{word}: {error}"))
}
