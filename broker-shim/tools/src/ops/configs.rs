//! Settings of topics and brokers, as the broker keeps them: look, change.

use crate::failure::Failure;
use kafka_client::{Client, ClientError, Node};
use kafka_wire::messages::alter_configs_request::{
    AlterConfigsResource as WholeResource, AlterableConfig as WholeConfig,
};
use kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_wire::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_wire::{ApiKey, ErrorCode};

/// What has settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A topic.
    Topic,
    /// A broker, or with an empty name all brokers.
    Broker,
    /// The loggers of a broker.
    BrokerLogger,
    /// A subscription of clients' metrics.
    ClientMetrics,
    /// A consumer group.
    Group,
}

impl Kind {
    /// The number on the wire.
    #[must_use]
    pub const fn to_raw(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// The kind of an `--entity-type`.
    #[must_use]
    pub fn of(entity_type: &str) -> Option<Self> {
        Some(match entity_type {
            "topics" => Self::Topic,
            "brokers" => Self::Broker,
            "broker-loggers" => Self::BrokerLogger,
            "client-metrics" => Self::ClientMetrics,
            "groups" => Self::Group,
            _ => return None,
        })
    }

    /// The source of what was set for one such thing, as opposed to what it has from elsewhere.
    #[must_use]
    pub fn own_source(self, name: &str) -> Option<i8> {
        match self {
            Self::Topic => Some(1),
            Self::Broker if name.is_empty() => Some(3),
            Self::Broker => Some(2),
            Self::BrokerLogger => None,
            Self::ClientMetrics => Some(7),
            Self::Group => Some(8),
        }
    }

    /// Whom to ask: a broker knows its own settings best.
    fn node(self, name: &str) -> Node {
        match (self, name.parse()) {
            (Self::Broker | Self::BrokerLogger, Ok(id)) => Node::Broker(id),
            _ => Node::Any,
        }
    }
}

/// Where a setting comes from, by Kafka's name.
#[must_use]
pub const fn source_name(source: i8) -> &'static str {
    match source {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}

/// A value, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Synonym {
    /// The key there.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// The source.
    pub source: i8,
}

/// One setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Its key.
    pub name: String,
    /// Its value; `None` if it has none or is a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: i8,
    /// Whether it is a secret.
    pub sensitive: bool,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// What it does.
    pub documentation: Option<String>,
    /// All places where it is set, the one that counts first.
    pub synonyms: Vec<Synonym>,
}

/// The settings of one thing, in the broker's order.
///
/// # Errors
///
/// If the broker cannot be asked or refuses.
pub fn describe(client: &mut Client, kind: Kind, name: &str) -> Result<Vec<Setting>, ClientError> {
    let resource = DescribeConfigsResource {
        resource_type: kind.to_raw(),
        resource_name: name.to_owned(),
        configuration_keys: None,
    };
    let node = kind.node(name);
    let version = client.version_for(node, ApiKey::DescribeConfigs)?;
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: version >= 1,
        include_documentation: version >= 3,
    };
    let answer = client.call(node, &request)?;
    let mut settings = Vec::new();
    for result in answer.results {
        let what = format!("asking for the settings of {name}");
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
        settings.extend(result.configs.into_iter().map(|config| {
            let synonyms = config.synonyms.into_iter();
            Setting {
                name: config.name,
                value: config.value,
                source: config.config_source.unwrap_or(if config.is_default { 5 } else { 0 }),
                sensitive: config.is_sensitive,
                read_only: config.read_only,
                documentation: config.documentation,
                synonyms: synonyms
                    .map(|s| Synonym { name: s.name, value: s.value, source: s.source })
                    .collect(),
            }
        }));
    }
    Ok(settings)
}

/// What is set for one thing itself.
///
/// # Errors
///
/// As [`describe`].
pub fn own(client: &mut Client, kind: Kind, name: &str) -> Result<Vec<Setting>, ClientError> {
    let source = kind.own_source(name);
    let mut settings = describe(client, kind, name)?;
    settings.retain(|setting| source.is_none_or(|source| setting.source == source));
    Ok(settings)
}

/// Sets and removes settings of one thing.
///
/// # Errors
///
/// If the broker cannot be asked or refuses.
pub fn alter(
    client: &mut Client,
    kind: Kind,
    name: &str,
    set: &[(String, String)],
    delete: &[String],
) -> Result<(), ClientError> {
    let node = match kind.node(name) {
        Node::Any => Node::Controller,
        node => node,
    };
    if !client.offers(node, ApiKey::IncrementalAlterConfigs) {
        return alter_whole(client, kind, name, set, delete);
    }
    let removed = delete.iter().map(|key| AlterableConfig {
        name: key.clone(),
        config_operation: 1,
        value: Some(String::new()),
    });
    let added = set.iter().map(|(key, value)| AlterableConfig {
        name: key.clone(),
        config_operation: 0,
        value: Some(value.clone()),
    });
    let resource = AlterConfigsResource {
        resource_type: kind.to_raw(),
        resource_name: name.to_owned(),
        configs: removed.chain(added).collect(),
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = client.call(node, &request)?;
    for result in &answer.responses {
        let what = format!("changing the settings of {name}");
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
    }
    Ok(())
}

/// For brokers before 2.3: all settings are sent, those that stay too.
fn alter_whole(
    client: &mut Client,
    kind: Kind,
    name: &str,
    set: &[(String, String)],
    delete: &[String],
) -> Result<(), ClientError> {
    let mut all: Vec<(String, Option<String>)> = own(client, kind, name)?
        .into_iter()
        .filter(|setting| !delete.contains(&setting.name) && !set.iter().any(|(key, _)| *key == setting.name))
        .map(|setting| (setting.name, setting.value))
        .collect();
    if let Some((secret, _)) = all.iter().find(|(_, value)| value.is_none()) {
        return Err(ClientError::Refused {
            what: format!("changing the settings of {name}"),
            code: ErrorCode::InvalidRequest,
            message: Some(format!(
                "All sensitive broker config entries must be specified for --alter, missing entries: Set({secret})"
            )),
        });
    }
    all.extend(set.iter().map(|(key, value)| (key.clone(), Some(value.clone()))));
    let configs = all.into_iter().map(|(name, value)| WholeConfig { name, value }).collect();
    let resource = WholeResource { resource_type: kind.to_raw(), resource_name: name.to_owned(), configs };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let node = match kind.node(name) {
        Node::Any => Node::Controller,
        node => node,
    };
    let answer = client.call(node, &request)?;
    for result in &answer.responses {
        let what = format!("changing the settings of {name}");
        ClientError::check(what, result.error_code, result.error_message.as_deref())?;
    }
    Ok(())
}

/// Reads `a=b,c=[x,y]`: pairs between commas, but not those in brackets, which are taken off.
///
/// # Errors
///
/// If a part is no pair.
pub fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is always a part").push(c);
        }
    }
    let pair = |part: &String| {
        let (key, value) = part.split_once('=')?;
        // A second = is only the value's own inside brackets.
        let plain = !value.contains('=') || value.trim_start().starts_with('[');
        let value = value.replace(['[', ']'], "");
        plain.then(|| (key.trim().to_owned(), value.trim().to_owned()))
    };
    let all: Option<Vec<_>> = parts.iter().map(pair).collect();
    all.ok_or_else(|| {
        Failure::Plain("requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_between_commas_that_are_in_no_brackets() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            parse_pairs("a=b, c=[x,y],d=,e=[iterations=8192,password=p]").unwrap(),
            [pair("a", "b"), pair("c", "x,y"), pair("d", ""), pair("e", "iterations=8192,password=p")]
        );
        for text in ["a", "a=b,c", "a=b=c"] {
            assert!(matches!(parse_pairs(text), Err(Failure::Plain(_))), "{text}");
        }
    }
}
