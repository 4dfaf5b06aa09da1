//! `corrente groups`: consumer groups in tables.
//!
//! ```text
//! $ corrente groups
//! GROUP   STATE   TYPE
//! orders  Stable  Classic
//! $ corrente groups describe orders
//! $ corrente groups delete orders
//! ```
//!
//! Setting where a group goes on is `kafka-consumer-groups --reset-offsets`.

use super::Common;
use super::table::{Cell, Look, Table};
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::groups::{self, Progress};
use clap::Subcommand;
use kafka_client::Client;
use serde_json::{Value, json};

/// Arguments of `corrente groups`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List groups (this is what is done without a command)
    List,
    /// Show members, and how far the group has got
    Describe {
        /// The groups
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Delete groups without members
    Delete {
        /// The groups
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Runs it.
pub(crate) fn run(args: &Args, io: &mut Io<'_>) -> Result<(), Failure> {
    let json = args.common.json;
    let mut client = args.common.connect()?;
    match &args.action {
        None | Some(Action::List) => list(&mut client, json, io),
        Some(Action::Describe { names }) => {
            names.iter().try_for_each(|name| describe(&mut client, name, json, io))
        }
        Some(Action::Delete { names }) => {
            for name in names {
                groups::delete(&mut client, name)
                    .map_err(|error| Failure::told(format!("group {name}: {}", error.words())))?;
                let text = if json {
                    json!({"group": name, "result": "deleted"}).to_string()
                } else {
                    format!("deleted {name}")
                };
                io.line(&text)?;
            }
            Ok(())
        }
    }
}

fn list(client: &mut Client, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let mut found = groups::list(client, &[], &[])?;
    found.sort_by(|a, b| a.group.cmp(&b.group));
    if json {
        let rows: Vec<Value> =
            found.iter().map(|g| json!({"group": g.group, "state": g.state, "type": g.kind})).collect();
        return Ok(io.line(&Value::from(rows).to_string())?);
    }
    let mut table = Table::new(&["GROUP", "STATE", "TYPE"]);
    for group in found {
        let look = if group.state == "Empty" { Look::Dim } else { Look::Plain };
        table.row(vec![Cell::text(group.group), Cell::text(group.state).look(look), Cell::text(group.kind)]);
    }
    table.print(io)
}

fn describe(client: &mut Client, name: &str, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let group = groups::describe(client, name)?;
    let rows = groups::progress(client, &group)?;
    if json {
        let partitions: Vec<Value> = rows.iter().map(as_json).collect();
        let members: Vec<Value> =
            group.members.iter().map(|m| json!({"id": m.id, "client": m.client, "host": m.host})).collect();
        let all = json!({"group": name, "state": group.state, "members": members, "partitions": partitions});
        return Ok(io.line(&all.to_string())?);
    }
    let lag: i64 = rows.iter().filter_map(Progress::lag).sum();
    let (members, state) = (group.members.len(), &group.state);
    io.line(&format!("group {name}: {state}, {members} members, {lag} messages to read"))?;
    let mut table = Table::new(&["PARTITION", "OFFSET", "END", "LAG", "CLIENT", "HOST"]);
    for row in &rows {
        let number = |value: Option<i64>| value.map_or_else(|| Cell::number("-"), Cell::number);
        let late = row.lag().is_some_and(|lag| lag > 0);
        let member = |show: fn(&groups::Member) -> &str| row.member.as_ref().map_or("-", show).to_owned();
        table.row(vec![
            Cell::text(row.at.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
            number(row.offset),
            number(row.end),
            number(row.lag()).look(if late { Look::Alarm } else { Look::Plain }),
            Cell::text(member(|member| &member.client)),
            Cell::text(member(|member| &member.host)),
        ]);
    }
    table.print(io)
}

fn as_json(row: &Progress) -> Value {
    json!({
        "topic": row.at.as_ref().map(|at| at.topic.clone()),
        "partition": row.at.as_ref().map(|at| at.partition),
        "offset": row.offset,
        "end": row.end,
        "lag": row.lag(),
        "member": row.member.as_ref().map(|member| member.id.clone()),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, own_with};

    #[test]
    fn a_group_is_listed_described_and_deleted() {
        let rig = Rig::start();
        let at = rig.address();
        own_with(&format!("produce t -b {at} a b c"), "");
        own_with(&format!("consume t -b {at} -f -n 2 -g g"), "");
        assert_eq!(
            own_with(&format!("groups -b {at}"), "").out,
            "GROUP  STATE  TYPE\ng      Empty  Classic\n"
        );
        let described = own_with(&format!("groups describe g -b {at}"), "").out;
        let expected = "group g: Empty, 0 members, 1 messages to read\n\
                        PARTITION  OFFSET  END  LAG  CLIENT  HOST\nt-0             2    3    1  -       -\n";
        assert_eq!(described, expected);
        let json: serde_json::Value =
            serde_json::from_str(own_with(&format!("groups describe g -b {at} --json"), "").out.trim())
                .unwrap();
        assert_eq!(json["partitions"][0]["lag"], 1);
        assert_eq!(own_with(&format!("groups delete g -b {at}"), "").out, "deleted g\n");
        let gone = own_with(&format!("groups describe g -b {at}"), "");
        assert_eq!((gone.err.as_str(), gone.code), ("corrente: Group g not found.\n", 1));
    }
}
