//! The admin listener: health, metrics, what is alive, and orders.
//!
//! JSON everywhere but for metrics; errors are `{"error": "..."}`. Reading never blocks a worker: workers
//! are asked by mailbox, and whoever does not answer within [`PATIENCE`] is missing from the list. It has
//! no password and belongs on loopback; so that no web page can use the browser of someone on that machine,
//! a change is refused when the request looks like one from a page (see `guard`). Each change is logged
//! with the address it came from. `server` holds the limits of its connections.

mod guard;
mod health;
mod nodes;
mod openapi;
mod orders;
mod reply;
mod routes;
mod server;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post, put};
use tokio::net::TcpListener;

use crate::daemon::Shared;
use reply::Failure;

/// Workers that do not answer within this time are left out of a list.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Serves until the task is aborted.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    server::serve(listener, router(shared), server::Limits::default()).await;
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(health::index))
        .route("/healthz", get(health::alive))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/version", get(health::version))
        .route("/server_info", get(health::version))
        .route("/metrics", get(health::metrics))
        .route("/stats/prometheus", get(health::metrics))
        .route("/config", get(views::config))
        .route("/config_dump", get(views::config))
        .route("/routes", get(views::routes))
        .route("/upstreams", get(views::upstreams))
        .route("/clusters", get(views::upstreams))
        .route("/upstreams/{upstream}/nodes/{node}", post(nodes::of_upstream))
        .route("/nodes/{node}", post(nodes::of_any))
        .route("/connections", get(views::connections))
        .route("/streams", get(views::streams))
        .route("/explain", post(views::explain))
        .route("/openapi/{upstream}", get(openapi::openapi))
        .route("/stores", get(routes::stores))
        .route("/stores/{store}/routes", get(routes::list))
        .route(
            "/stores/{store}/routes/{*key}",
            get(routes::get).put(routes::set).delete(routes::del),
        )
        .route("/reload", post(orders::reload))
        .route("/drain", post(orders::drain))
        .route("/drain_listeners", post(orders::drain))
        .route("/logging", put(orders::logging).post(orders::logging))
        .fallback(async || Failure::not_found("no such page; GET / lists them"))
        .method_not_allowed_fallback(async || Failure::method())
        .layer(middleware::from_fn(guard::guard))
        .with_state(shared)
}
