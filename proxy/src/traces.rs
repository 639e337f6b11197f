//! The log, and traces of statements for a receiver of the OpenTelemetry protocol.
//!
//! Spans wait in a bounded queue of their own thread; what finds no place in it is left out, and no
//! statement waits. The log and the traces don't mix: spans have a target of their own.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter as Export};
use tollgate_gateway::TRACES;
use tollgate_gateway::config::{Config, Traces};
use tonic::transport::{Certificate, ClientTlsConfig};
use tracing_subscriber::filter::{Directive, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::place;

/// How long the last spans may take to be sent.
const LAST: Duration = Duration::from_secs(3);

/// What is on its way. Dropping it sends the rest.
pub(crate) struct Sending(Option<SdkTracerProvider>);

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown_with_timeout(LAST)
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Sends spans, and tells the log when that begins to fail and when it works again.
#[derive(Debug)]
struct Telling {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl Export for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        match (&sent, self.failing.swap(sent.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::error!(%error, "traces could not be sent, and are left out");
            }
            (Ok(()), true) => tracing::info!("traces are sent again"),
            (Err(_), true) | (Ok(()), false) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Starts the log, and traces if there is a receiver. In a runtime, which sends them.
///
/// # Errors
/// The receiver's certificates can't be read.
pub(crate) fn start(config: &Config) -> Result<Sending, String> {
    let provider = config.traces.as_ref().map(|traces| provider(config, traces)).transpose()?;
    let filter = EnvFilter::try_from_env("TOLLGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // One filter that names the most detailed level it lets through: without that every span of every
    // library is made before it is thrown away, those of HTTP/2 for each frame.
    let filter = filter.add_directive(
        Directive::from_str(&format!("{TRACES}=off")).map_err(|error| error.to_string())?,
    );
    // Standard output may be the audit trail.
    let log = fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    let traces = provider.as_ref().map(|provider| {
        let only = Targets::new().with_target(TRACES, tracing::Level::INFO);
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("tollgate"));
        layer.with_location(false).with_threads(false).with_target(false).with_filter(only)
    });
    // A second server in one process keeps the first one's log.
    let _ = tracing_subscriber::registry().with(log).with(traces).try_init();
    Ok(Sending(provider))
}

fn provider(config: &Config, traces: &Traces) -> Result<SdkTracerProvider, String> {
    let wrong = |error: ExporterBuildError| {
        let hint = "write \"https://host:4317\", or \"http://127.0.0.1:4317\" on this machine";
        config.error("traces.to", error.to_string(), hint).to_string()
    };
    let to = &traces.to;
    let scheme = if to.tls { "https" } else { "http" };
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let mut exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("{scheme}://{host}:{}", to.port))
        .with_timeout(Duration::from_secs(10));
    if to.tls {
        let pem = place::authorities(config, "traces.tls_ca", traces.tls_ca.as_deref())?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
        exporter = exporter.with_tls_config(tls.domain_name(&to.host));
    }
    let exporter = exporter.build().map_err(wrong)?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Telling { exporter, failing: AtomicBool::new(false) })
        .with_sampler(Sampler::TraceIdRatioBased(traces.ratio))
        .with_resource(Resource::builder().with_service_name("tollgate").build());
    Ok(provider.build())
}
