//! Health and metrics over HTTP, without authentication: for the operator's own network.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use rust_decimal::Decimal;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollgate_catalog::WarehouseName;
use tollgate_gateway::limits::OffCounts;
use tollgate_gateway::{Latency, LedgerCounts, StatementCounts};
use tollgate_warehouse::Connections;
use tollgate_warehouse::warehouses::NamedWarehouse;

use crate::export;
use crate::flight::Front;
use crate::listener::{Shared, stopping};
use crate::retention;

/// What beside the gateway itself is counted.
pub(crate) struct Counts {
    pub(crate) exports: Vec<Arc<export::Counts>>,
    pub(crate) retention: Option<Arc<retention::Counts>>,
}

struct Admin {
    shared: Arc<Shared>,
    flight: Option<Arc<Front>>,
    counts: Counts,
    shutdown: watch::Receiver<bool>,
    start: Instant,
}

/// Serves until the signal to shut down.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    flight: Option<Arc<Front>>,
    counts: Counts,
    shutdown: watch::Receiver<bool>,
) {
    let mut stop = shutdown.clone();
    let start = Instant::now();
    let admin = Arc::new(Admin { shared, flight, counts, shutdown, start });
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin);
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping(&mut stop).await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin listener ended");
    }
}

/// The gateway is ready while it doesn't stop and its decisions can be recorded: what a warehouse that is down can't do, others may, and so
/// may the catalogs. Below that stands which warehouses are down, and whose list of tables is an old one.
async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, String) {
    if *admin.shutdown.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned());
    }
    let refuses = admin.shared.gateway.is_refusing();
    let (status, mut text) = if refuses {
        let text = "queries are refused, the ledger can't be written\n".to_owned();
        (StatusCode::SERVICE_UNAVAILABLE, text)
    } else {
        (StatusCode::OK, "ready\n".to_owned())
    };
    for (warehouse, health) in health(&admin.shared).await {
        let name = warehouse.name();
        // Writing to a String can't fail.
        if let Err(why) = health {
            let _ = writeln!(text, "warehouse \"{name}\" is down: {why}");
        }
        if let Some(failing) = warehouse.refreshes().failing() {
            let since = chrono::DateTime::<chrono::Utc>::from(failing.since);
            let since = since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let _ = writeln!(
                text,
                "tables of warehouse \"{name}\" are those of before {since}, it has failed {} times: {}",
                failing.times,
                failing.message.lines().next().unwrap_or_default()
            );
        }
    }
    (status, text)
}

/// Whether each warehouse answers; all are asked at once.
async fn health(shared: &Shared) -> Vec<(Arc<NamedWarehouse>, Result<(), String>)> {
    let warehouses = Arc::clone(&shared.gateway.state().warehouses);
    let mut asked = JoinSet::new();
    for warehouse in warehouses.iter().map(Arc::clone) {
        asked.spawn(async move {
            let health = warehouse.health().await;
            (warehouse, health)
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = asked.join_next().await {
        answers.extend(answer);
    }
    answers.sort_by(|(one, _), (other, _)| one.name().cmp(other.name()));
    answers
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let state = admin.shared.gateway.state();
    let limit = admin.shared.limits.max_connections;
    let open = limit.saturating_sub(admin.shared.slots.available_permits());
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, labels: &str, value: u64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{labels} {value}");
    };
    gauge("tollgate_sessions", "Sessions that are open", "", open as u64);
    gauge("tollgate_sessions_limit", "Sessions that may be open", "", limit as u64);
    gauge("tollgate_catalog_version", "Version of the catalog", "", state.snapshot.version());
    let bundle = format!("{{hash=\"{}\"}}", state.bundle.hash());
    gauge("tollgate_bundle", "The policy bundle in force", &bundle, 1);
    gauge(
        "tollgate_uptime_seconds",
        "Seconds since the start",
        "",
        admin.start.elapsed().as_secs(),
    );
    let flights =
        admin.flight.as_ref().map_or(0, |front| front.connections.load(Ordering::Relaxed));
    gauge("tollgate_flight_connections", "Connections over Flight SQL", "", flights as u64);
    statements(&admin.shared.gateway.statement_counts(), &mut text);
    if let Some(counts) = admin.shared.gateway.ledger_counts() {
        ledger(&counts, &mut text);
    }
    let counts = admin.shared.gateway.cache_counts();
    let mut counter = |name: &str, help: &str, value: u64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
    };
    counter("tollgate_plan_cache_hits_total", "Plans that were there", counts.plan_hits);
    counter("tollgate_plan_cache_misses_total", "Statements that were planned", counts.plan_misses);
    counter("tollgate_result_cache_hits_total", "Results that were there", counts.result_hits);
    counter(
        "tollgate_result_cache_misses_total",
        "Queries that ran though their result may be kept",
        counts.result_misses,
    );
    let estimates = admin.shared.gateway.estimate_counts();
    counter(
        "tollgate_estimated_bytes_total",
        "Bytes that statements were expected to scan",
        estimates.estimated,
    );
    counter("tollgate_estimated_scanned_bytes_total", "Bytes that they scanned", estimates.scanned);
    let what = "Statements by how much they scanned of what was estimated";
    off(("tollgate_estimates_total", "scanned", what), &estimates.bytes, &mut text);
    let what = "Statements by how much they were charged of what a budget held";
    off(("tollgate_charges_total", "charged", what), &estimates.charges, &mut text);
    for (name, help, of) in MONEY {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for money in &estimates.money {
            let _ = writeln!(text, "{name}{{currency=\"{}\"}} {}", money.0, of(money));
        }
    }
    stages(&admin.shared.gateway.latencies(), &mut text);
    queue(&admin.shared.gateway.waiting(), &mut text);
    warehouses(&health(&admin.shared).await, &mut text);
    export::Counts::write(&admin.counts.exports, &mut text);
    if let Some(counts) = &admin.counts.retention {
        counts.write(&mut text);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// Statements by how they ended, and what they gave.
fn statements(counts: &StatementCounts, text: &mut String) {
    // Writing to a String can't fail.
    let name = "tollgate_statements_total";
    let _ = writeln!(text, "# HELP {name} Statements by how they ended\n# TYPE {name} counter");
    for ((outcome, error), count) in &counts.ended {
        let error = error.unwrap_or_default();
        let _ = writeln!(text, "{name}{{outcome=\"{outcome}\",error=\"{error}\"}} {count}");
    }
    for (name, help, value) in [
        ("tollgate_rows_total", "Rows that went to clients", counts.rows),
        ("tollgate_bytes_total", "Bytes that went to clients", counts.bytes),
    ] {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
    }
}

/// How the ledger does.
fn ledger(counts: &LedgerCounts, text: &mut String) {
    for (name, kind, help, value) in [
        (
            "failing",
            "gauge",
            "Whether the last commit failed, so that queries are refused",
            f64::from(u8::from(counts.is_failing)),
        ),
        ("waiting", "gauge", "Decisions that wait to be written", counts.waiting as f64),
        ("commits_total", "counter", "Commits", counts.commits as f64),
        ("records_total", "counter", "Records that they wrote", counts.records as f64),
        ("commit_seconds_total", "counter", "How long they took", counts.seconds),
    ] {
        let name = format!("tollgate_ledger_{name}");
        // Writing to a String can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
}

/// How many queries wait for a place; without a warehouse those over the catalogs.
fn queue(waiting: &[(Option<WarehouseName>, usize)], text: &mut String) {
    let name = "tollgate_waiting";
    // Writing to a String can't fail.
    let _ = writeln!(text, "# HELP {name} Queries that wait for a place\n# TYPE {name} gauge");
    for (warehouse, count) in waiting {
        let of = warehouse.as_ref().map_or("", WarehouseName::as_str);
        let _ = writeln!(text, "{name}{{warehouse=\"{of}\"}} {count}");
    }
}

/// A currency, what budgets held in it, and what the same statements were charged.
type Money = (String, Decimal, Decimal);

/// One of the amounts.
type Amount = fn(&Money) -> Decimal;

/// The metrics of money: name, what it is, and its value.
const MONEY: [(&str, &str, Amount); 2] = [
    ("tollgate_held_money_total", "Money that budgets held for statements", |(_, held, _)| *held),
    ("tollgate_charged_money_total", "Money that they were charged", |(_, _, charged)| *charged),
];

/// Statements by how far their estimates were off: the metric's name, its label, and what it is.
fn off((name, label, help): (&str, &str, &str), counts: &OffCounts, text: &mut String) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    let OffCounts { over, close, loose, far } = counts;
    for (used, value) in [("more", over), ("half", close), ("tenth", loose), ("less", far)] {
        let _ = writeln!(text, "{name}{{{label}=\"{used}\"}} {value}");
    }
}

/// What is told of a warehouse, given whether it answers: each outcome, if it is by outcome, and a number.
type Told = fn(&NamedWarehouse, bool) -> Vec<(&'static str, u64)>;

/// The metrics of warehouses: name, kind, what it is, and its values.
const OF_WAREHOUSES: [(&str, &str, &str, Told); 6] = [
    ("tollgate_warehouse_up", "gauge", "Whether the warehouse answers", |_, up| {
        vec![("", u64::from(up))]
    }),
    ("tollgate_warehouse_running", "gauge", "Queries that run there", |warehouse, _| {
        vec![("", warehouse.queries().running())]
    }),
    (
        "tollgate_warehouse_idle_connections",
        "gauge",
        "Connections that are kept for the next queries",
        |warehouse, _| of_connections(warehouse, |all| all.idle),
    ),
    (
        "tollgate_warehouse_used_connections",
        "gauge",
        "Connections that queries use, those included that are being ended",
        |warehouse, _| of_connections(warehouse, |all| all.used),
    ),
    ("tollgate_warehouse_queries_total", "counter", "Queries that have ended", |warehouse, _| {
        warehouse.queries().ended().to_vec()
    }),
    (
        "tollgate_warehouse_refreshes_total",
        "counter",
        "How often it was asked again which tables it has",
        |warehouse, _| warehouse.refreshes().counts().to_vec(),
    ),
];

/// A number of connections, if there are any to a warehouse of its kind.
fn of_connections(
    warehouse: &NamedWarehouse,
    number: fn(Connections) -> usize,
) -> Vec<(&'static str, u64)> {
    warehouse.connections().map(|all| ("", number(all) as u64)).into_iter().collect()
}

/// How the warehouses do, each under its name.
fn warehouses(all: &[(Arc<NamedWarehouse>, Result<(), String>)], text: &mut String) {
    for (name, kind, help, told) in OF_WAREHOUSES {
        // Writing to a String can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (warehouse, health) in all {
            let of = warehouse.name();
            for (outcome, value) in told(warehouse, health.is_ok()) {
                let _ = match outcome {
                    "" => writeln!(text, "{name}{{warehouse=\"{of}\"}} {value}"),
                    _ => {
                        writeln!(text, "{name}{{warehouse=\"{of}\",outcome=\"{outcome}\"}} {value}")
                    }
                };
            }
        }
    }
}

/// How long the stages of the road have taken, as one histogram.
fn stages(latencies: &[Latency], text: &mut String) {
    let name = "tollgate_stage_seconds";
    // Writing to a String can't fail.
    let _ =
        writeln!(text, "# HELP {name} How long statements took, by stage\n# TYPE {name} histogram");
    for Latency { stage, buckets, count, sum } in latencies {
        let stage = stage.name();
        for (bound, count) in buckets {
            let _ = writeln!(text, "{name}_bucket{{stage=\"{stage}\",le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_bucket{{stage=\"{stage}\",le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{{stage=\"{stage}\"}} {sum}");
        let _ = writeln!(text, "{name}_count{{stage=\"{stage}\"}} {count}");
    }
}
