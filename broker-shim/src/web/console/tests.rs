//! The console as a browser meets it: over HTTP, with a broker behind it.

use crate::server::BlockingBroker;
use crate::web::testing::{Answer, broker, get, port, send};
use log_engine::types::Timestamp;
use log_engine::{Log, NewRecord};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

const WRITES: (&str, &str) = ("console.writes.enable", "true");

fn ask(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn error(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["error"].as_str().unwrap().to_owned()
}

fn post(address: SocketAddr, path: &str, fields: &str, form: &Value) -> Answer {
    let body = form.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}");
    send(
        address,
        &format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
    )
}

fn change(address: SocketAddr, path: &str, form: &Value) -> Value {
    let answer = post(address, path, "x-corrente-console: 1\r\n", form);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// A topic with these partitions, and their logs.
fn topic(broker: &BlockingBroker, name: &str, partitions: i32) -> Vec<Arc<Log>> {
    let wanted = crate::metadata::CreateTopic {
        partitions: Some(partitions),
        ..crate::metadata::CreateTopic::named(name)
    };
    let topic = broker.catalog().create(&wanted).unwrap();
    topic.partitions.iter().flatten().cloned().collect()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

/// Follows the cursors of a question to its end: each message's partition and offset, in the order of the answers.
fn all(address: SocketAddr, question: &str) -> Vec<(i64, i64)> {
    // Of a parameter that is there twice the last counts.
    let (mut found, mut next) = (Vec::new(), String::new());
    for _ in 0..1_000 {
        let answer = ask(address, &format!("/api/messages?{question}{next}"));
        for message in answer["messages"].as_array().unwrap() {
            found.push((message["partition"].as_i64().unwrap(), message["offset"].as_i64().unwrap()));
        }
        if answer["end"] == true {
            return found;
        }
        next = format!("&at={}", answer["cursor"].as_str().unwrap());
    }
    panic!("{question} does not end");
}

#[test]
fn pages_of_messages_give_each_once_in_both_directions() {
    let broker = broker(&[]);
    let logs = topic(&broker, "t", 3);
    for n in 0..200_i64 {
        let log = &logs[usize::try_from(n % 3).unwrap()];
        log.append(&[NewRecord::value(b"v").at(at(1_000 + n)), NewRecord::value(b"w").at(at(1_000 + n))])
            .unwrap();
    }
    let port = port(&broker);
    let older = all(port, "topic=t&dir=older&limit=37");
    assert_eq!(older.len(), 400);
    assert_eq!(older.iter().collect::<BTreeSet<_>>().len(), 400);
    assert_eq!(older[0], (1, 133), "the newest comes first");
    let newer: Vec<_> = all(port, "topic=t&dir=newer&at=start&limit=41&partition=2");
    assert_eq!(newer, (0..132).map(|offset| (2, offset)).collect::<Vec<_>>());
    // Partition 1 holds n = 1, 4, 7 ...: the first at or after 1,100 is n = 100, offsets 66 and 67.
    let answer = ask(port, "/api/messages?topic=t&partition=1&dir=newer&at=time:1100&limit=1");
    assert_eq!(
        (&answer["messages"][0]["offset"], &answer["messages"][0]["time"]),
        (&json!(66), &json!(1_100))
    );
    let answer = ask(port, "/api/messages?topic=t&partition=0&dir=newer&at=offset:77&limit=1");
    assert_eq!(answer["messages"][0]["offset"], 77);
}

#[test]
fn a_search_is_done_in_bounded_steps_and_finds_what_is_far_back() {
    let broker = broker(&[]);
    let log = topic(&broker, "t", 1).remove(0);
    log.append(&[NewRecord::keyed(b"k", b"the Needle")]).unwrap();
    let value = vec![b'x'; 100_000];
    for _ in 0..300 {
        log.append(&[NewRecord::value(&value)]).unwrap();
    }
    log.append(&[NewRecord::value(b"the last one")]).unwrap();
    let port = port(&broker);
    let answer = ask(port, "/api/messages?topic=t&find=needle");
    assert_eq!((&answer["end"], &answer["partial"]), (&json!(false), &json!(true)));
    let looked_at = answer["looked_at"].as_u64().unwrap();
    assert!((1..=120).contains(&looked_at), "8 MiB and a chunk are about 90 messages, not {looked_at}");
    assert_eq!(all(port, "topic=t&find=needle"), [(0, 0)]);
    assert_eq!(all(port, "topic=t&find=needle&in=key"), []);
    assert_eq!(all(port, "topic=t&find=last%20one&dir=newer&at=start"), [(0, 301)]);
    assert_eq!(all(port, "topic=t&find=0x4e65&dir=newer&at=start"), [(0, 0)]);
}

#[test]
fn bytes_are_shown_as_digits_markup_as_text_and_null_as_null() {
    let broker = broker(&[]);
    let log = topic(&broker, "t", 1).remove(0);
    log.append(&[
        NewRecord::keyed(&[0, 255, 16], b"<script>alert(1)</script>"),
        NewRecord::tombstone(b"key").with_headers(&[("trace", Some(b"7"))]),
    ])
    .unwrap();
    let port = port(&broker);
    let answer = ask(port, "/api/messages?topic=t&dir=newer&at=start");
    let (first, second) = (&answer["messages"][0], &answer["messages"][1]);
    assert_eq!(first["key"], json!({ "hex": "00ff10", "size": 3, "cut": false }));
    assert_eq!(first["value"]["text"], "<script>alert(1)</script>");
    assert_eq!((&second["value"], &second["header_count"]), (&Value::Null, &json!(1)));
    let whole = ask(port, "/api/message?topic=t&partition=0&offset=1");
    assert_eq!(whole["headers"][0]["value"]["text"], "7");
    assert_eq!(whole["batch"]["first"], 0);
    let download = get(port, "/api/message/value?topic=t&partition=0&offset=0");
    assert_eq!(download.body, "<script>alert(1)</script>");
    let head = download.head.to_ascii_lowercase();
    for field in [
        "application/octet-stream",
        "attachment; filename=\"t-0-0.value\"",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(field), "{field}: {head}");
    }
}

#[test]
fn what_is_gone_is_a_sentence() {
    let broker = broker(&[]);
    let log = topic(&broker, "t", 1).remove(0);
    log.append(&[NewRecord::value(b"v")]).unwrap();
    let port = port(&broker);
    for (path, status, sentence) in [
        ("/api/topic?name=gone", 404, "There is no topic gone: it was deleted, or never created."),
        (
            "/api/topic?name=..%2F..%2Fetc",
            404,
            "There is no topic ../../etc: it was deleted, or never created.",
        ),
        ("/api/messages?topic=t&partition=4", 404, "Topic t has no partition 4: it has 1, counted from 0."),
        (
            "/api/message?topic=t&partition=0&offset=9",
            404,
            "There is no message 9 in partition 0 of t now: it has 0 to 0.",
        ),
        (
            "/api/group?name=g",
            404,
            "There is no group g: it was deleted, or its offsets were kept long enough.",
        ),
        (
            "/api/messages?topic=t&at=nonsense",
            400,
            "The parameter at is start, end, offset:N, time:MILLISECONDS or a cursor of an answer.",
        ),
        ("/api/topics?limit=x", 400, "The parameter limit is no number it can be."),
        ("/nowhere", 404, "There is no such page."),
    ] {
        let answer = get(port, path);
        assert_eq!((answer.status, error(&answer).as_str()), (status, sentence), "{path}");
    }
}

#[test]
fn nothing_is_changed_without_the_setting_the_field_and_our_own_page() {
    let shows = broker(&[]);
    let refused = post(port(&shows), "/api/topics", "x-corrente-console: 1\r\n", &json!({ "name": "t" }));
    assert_eq!(refused.status, 403);
    assert!(error(&refused).contains("console.writes.enable"), "{refused:?}");
    let broker = broker(&[WRITES]);
    let port = port(&broker);
    for fields in [
        "",
        "x-corrente-console: 1\r\norigin: http://evil.example\r\n",
        "x-corrente-console: 1\r\nsec-fetch-site: cross-site\r\n",
    ] {
        let refused = post(port, "/api/topics", fields, &json!({ "name": "t" }));
        assert_eq!(refused.status, 403, "{fields}: {refused:?}");
    }
    assert!(broker.catalog().topic("t").is_none());
    let origin = format!("x-corrente-console: 1\r\norigin: http://{port}\r\n");
    assert_eq!(post(port, "/api/topics", &origin, &json!({ "name": "t" })).status, 200);
    let again = post(port, "/api/topics", &origin, &json!({ "name": "t" }));
    assert_eq!((again.status, error(&again).as_str()), (409, "Topic 't' already exists."));
}

#[test]
fn a_topic_is_made_filled_grown_and_deleted() {
    let broker = broker(&[WRITES]);
    let port = port(&broker);
    change(
        port,
        "/api/topics",
        &json!({ "name": "t", "partitions": 2, "configs": { "retention.ms": "1000" } }),
    );
    let form = json!({ "topic": "t", "key": "k", "value": "hello", "headers": [["a", "b"]] });
    let first = change(port, "/api/messages", &form);
    let second = change(port, "/api/messages", &form);
    assert_eq!(first["partition"], second["partition"], "a key stays in its partition");
    assert_eq!((&first["offset"], &second["offset"]), (&json!(0), &json!(1)));
    let shown = ask(port, &format!("/api/message?topic=t&partition={}&offset=1", first["partition"]));
    assert_eq!((&shown["value"]["text"], &shown["on_disk"]), (&json!("hello"), &json!(true)));
    change(port, "/api/partitions", &json!({ "topic": "t", "count": 3 }));
    let facts = ask(port, "/api/topic?name=t");
    assert_eq!((&facts["partition_count"], &facts["messages"]), (&json!(3), &json!(2)));
    assert_eq!(facts["retention_ms"], 1_000);
    let refused = post(port, "/api/topic/delete", "x-corrente-console: 1\r\n", &json!({ "name": "t" }));
    assert_eq!(refused.status, 400, "the name is to be repeated");
    change(port, "/api/topic/delete", &json!({ "name": "t", "confirm": "t" }));
    assert_eq!(get(port, "/api/topic?name=t").status, 404);
}

#[test]
fn a_list_of_topics_is_searched_sorted_and_cut_by_the_broker() {
    let broker = broker(&[]);
    for n in 0..120 {
        let log = topic(&broker, &format!("topic-{n:03}"), 1).remove(0);
        if n == 77 {
            log.append(&[NewRecord::value(b"v"), NewRecord::value(b"v")]).unwrap();
        }
    }
    let port = port(&broker);
    let page = ask(port, "/api/topics?skip=100&limit=50");
    assert_eq!((&page["total"], page["topics"].as_array().unwrap().len()), (&json!(120), 20));
    let found = ask(port, "/api/topics?q=PIC-07&sort=messages");
    assert_eq!((&found["total"], &found["topics"][0]["name"]), (&json!(10), &json!("topic-077")));
    let everything = ask(port, "/api/topics?limit=100000");
    assert_eq!(everything["topics"].as_array().unwrap().len(), 120);
    let overview = ask(port, "/api/overview");
    assert_eq!((&overview["topics"], &overview["messages"]), (&json!(120), &json!(2)));
    assert_eq!(overview["problems"].as_array().unwrap().iter().filter(|p| p["level"] == "bad").count(), 0);
}

#[test]
fn the_page_allows_no_script_but_its_own_and_another_site_reads_nothing() {
    let broker = broker(&[]);
    let port = port(&broker);
    for path in ["/", "/app.js", "/style.css", "/icon.svg", "/api/overview"] {
        let answer = get(port, path);
        assert_eq!(answer.status, 200, "{path}");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("script-src 'self'; style-src 'self'"), "{path}: {head}");
        assert!(head.contains("cross-origin-resource-policy: same-origin"), "{path}");
        assert!(!head.contains("access-control-allow"), "{path}");
    }
    let page = get(port, "/").body;
    let inline =
        page.split("<script").skip(1).filter(|script| !script.starts_with(" type=\"module\" src=\"/"));
    assert_eq!(inline.count(), 0);
    assert!(!page.contains("http://") && !page.contains("https://"), "everything comes from here");
    let request = format!(
        "GET /api/overview HTTP/1.1\r\nHost: {port}\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(send(port, &request).status, 403);
    let request = "GET /api/overview HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(send(port, request).status, 421);
}
