//! /live, /ready and /metrics for the kubelet and Prometheus; PUT /log-level for people in the pod.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use controller::Controller;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::telemetry::LogLevel;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Admin {
    registry: Registry,
    ready: watch::Receiver<bool>,
    log: LogLevel,
}

/// Serves until the process ends.
pub(super) fn serve(
    listener: TcpListener,
    controller: &Controller,
    log: LogLevel,
) -> impl Future<Output = std::io::Result<()>> + use<> {
    let mut registry = Registry::with_prefix("flink_remedy");
    controller.register_metrics(&mut registry);
    let admin = Arc::new(Admin { registry, ready: controller.ready(), log });
    let routes = Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/log-level", put(log_level))
        .with_state(admin)
        .into_make_service_with_connect_info::<SocketAddr>();
    async move { axum::serve(listener, routes).await }
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if *admin.ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: the first lists are not here yet\n")
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Only from the pod itself: whoever may scrape us may not fill our disk.
async fn log_level(
    State(admin): State<Arc<Admin>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    filter: String,
) -> (StatusCode, String) {
    if !peer.ip().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from the pod itself\n".to_owned());
    }
    match admin.log.set(filter.trim()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
