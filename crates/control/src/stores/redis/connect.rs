//! Makes one connection that is ready for use: authenticated, on its database, and tracked.

use std::sync::Arc;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, TlsCertificates, Value, cmd,
};

use super::options::{Node, Password, RedisOptions, TlsOptions};
use super::value::explain;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read keys from a server that takes writes, and be told of changes.
    Track,
    /// As `Track`, but first make sure that the server is a master: sentinels may be behind.
    TrackMaster,
    /// To ask something once.
    Ask,
}

/// A client for this server. Fails if certificates or keys can not be used.
pub(super) fn client(options: &RedisOptions, node: &Node) -> Result<Client, String> {
    let settings = RedisConnectionInfo::default().set_db(options.database);
    let user = (options.username.as_deref(), options.password.as_ref());
    build(options.tls.as_ref(), node, with_user(settings, user))
}

/// A client for a sentinel.
pub(super) fn sentinel_client(
    options: &RedisOptions,
    node: &Node,
    user: (Option<&str>, Option<&Password>),
) -> Result<Client, String> {
    build(options.tls.as_ref(), node, with_user(RedisConnectionInfo::default(), user))
}

/// Connects to a server.
pub(super) async fn connect(
    options: &RedisOptions,
    node: &Node,
    purpose: Purpose,
    on_push: Option<Arc<dyn AsyncPushSender>>,
) -> Result<MultiplexedConnection, String> {
    let client = client(options, node)?;
    let mut connection = open(options, &client, node, on_push).await?;
    if purpose == Purpose::Ask {
        return Ok(connection);
    }
    let failed = |error: redis::RedisError| explain(&error, node, options.response_timeout);
    cmd("CLIENT").arg("TRACKING").arg("ON").exec_async(&mut connection).await.map_err(failed)?;
    // A server that loads its data takes connections but answers no query.
    cmd("PING").exec_async(&mut connection).await.map_err(failed)?;
    if purpose == Purpose::TrackMaster {
        let role = cmd("ROLE").query_async::<Value>(&mut connection).await;
        // Without the permission to ask, the sentinels have to be believed.
        if let Ok(Value::Array(role)) = role
            && role.first() != Some(&Value::BulkString(b"master".to_vec()))
        {
            return Err(format!("Redis {node} is not the master any more, or not yet"));
        }
    }
    Ok(connection)
}

/// Connects and authenticates.
pub(super) async fn open(
    options: &RedisOptions,
    client: &Client,
    node: &Node,
    on_push: Option<Arc<dyn AsyncPushSender>>,
) -> Result<MultiplexedConnection, String> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.response_timeout));
    if let Some(on_push) = on_push {
        config = config.set_push_sender(on_push);
    }
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    connection.map_err(|error| explain(&error, node, options.connect_timeout))
}

fn with_user(
    settings: RedisConnectionInfo,
    (username, password): (Option<&str>, Option<&Password>),
) -> RedisConnectionInfo {
    let settings = settings.set_protocol(ProtocolVersion::RESP3);
    let settings = username.into_iter().fold(settings, RedisConnectionInfo::set_username);
    password.into_iter().fold(settings, |settings, p| settings.set_password(p.reveal()))
}

fn build(
    tls: Option<&TlsOptions>,
    node: &Node,
    settings: RedisConnectionInfo,
) -> Result<Client, String> {
    let Node { host, port } = node.clone();
    let address = match tls {
        None => ConnectionAddr::Tcp(host, port),
        Some(tls) => {
            ConnectionAddr::TcpTls { host, port, insecure: tls.insecure, tls_params: None }
        }
    };
    let info = address.into_connection_info().map_err(|error| error.to_string())?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    let client = match tls {
        None => Client::open(info),
        Some(tls) => Client::build_with_tls(info, certificates(tls)),
    };
    client.map_err(|error| error.to_string())
}

fn certificates(tls: &TlsOptions) -> TlsCertificates {
    let client_tls = tls
        .client
        .clone()
        .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key: client_key.0 });
    TlsCertificates { client_tls, root_cert: tls.ca.clone() }
}
