use super::*;
use std::net::TcpStream;

fn data_dir(broker: &BlockingBroker) -> PathBuf {
    broker.broker()._temporary.as_ref().unwrap().0.clone()
}

#[test]
fn ten_brokers_live_in_one_process_and_go_when_dropped() {
    let brokers: Vec<BlockingBroker> =
        (0..10).map(|_| Broker::temporary().start_blocking().unwrap()).collect();
    let addresses: Vec<SocketAddr> = brokers.iter().map(BlockingBroker::addr).collect();
    let dirs: Vec<PathBuf> = brokers.iter().map(data_dir).collect();
    for address in &addresses {
        assert_ne!(address.port(), 0);
        TcpStream::connect(address).unwrap();
    }
    assert!(dirs.iter().all(|dir| dir.join("meta.properties").exists()));
    drop(brokers);
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_err()));
    assert!(dirs.iter().all(|dir| !dir.exists()));
}

#[test]
fn a_broker_runs_on_the_caller_s_runtime_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let broker = Broker::temporary().start().await.unwrap();
        assert_eq!(broker.id(), 0);
        tokio::net::TcpStream::connect(broker.addr()).await.unwrap();
        broker.shutdown().await.unwrap();
    });
}

#[test]
fn a_directory_in_use_is_refused_and_free_after_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let config = || {
        let builder =
            BrokerConfig::builder().set("listeners", "PLAINTEXT://127.0.0.1:0").set("http.listener", "");
        builder.set("log.dirs", dir.path().display().to_string()).build().unwrap()
    };
    let first = Broker::start_blocking(config()).unwrap();
    let error = Broker::start_blocking(config()).unwrap_err().to_string();
    let path = dir.path().display();
    let expected = format!(
        "{path} is in use by process {}: stop that broker, or set log.dirs to another folder",
        std::process::id()
    );
    assert_eq!(error, expected);
    first.shutdown().unwrap();
    let second = Broker::start_blocking(config()).unwrap();
    second.kill();
    Broker::start_blocking(config()).unwrap();
}

#[test]
fn wrong_settings_are_an_error_and_leave_nothing() {
    let error = Broker::temporary_with(&[("num.partitions", "0")]).start_blocking().unwrap_err();
    assert!(matches!(error, StartError::Config(_)), "{error}");
}

#[test]
fn limits_come_from_the_settings() {
    let config = BrokerConfig::builder()
        .set("max.connections.per.ip.overrides", "127.0.0.1:3,no.such.host.invalid:4")
        .set("connections.max.idle.ms", "-1")
        .set("socket.send.buffer.bytes", "-1")
        .set("socket.receive.buffer.bytes", "102400")
        .set("socket.listen.backlog.size", "7")
        .build()
        .unwrap();
    let limits = limits(&config);
    assert_eq!(limits.connections.per_ip_overrides, [("127.0.0.1".parse().unwrap(), 3)]);
    assert!(limits.max_idle.as_secs() > 1_000_000_000);
    assert_eq!((limits.send_buffer_bytes, limits.receive_buffer_bytes), (None, Some(102_400)));
    assert_eq!(limits.backlog, 7);
}
