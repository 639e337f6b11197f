//! PollFlightInfo: a flight, and how far it is.
//!
//! A query runs in DoGet, so the first answer has the whole flight already, and a descriptor to poll by while it
//! is fetched: the sealed ticket. Who polls by it learns how far the stream is that runs here. Where none
//! does, or its rows wait for the client, there is nothing to wait for, and the flight is complete:
//! a client that polls to the end before it fetches, or fetches and polls in turns, never waits for itself.

use std::time::Duration;

use arrow_flight::{FlightDescriptor, FlightInfo, PollInfo};
use bytes::Bytes;
use prost_types::Timestamp;
use tokio::time::{Instant, sleep};

use crate::auth::{Caller, Shared};
use crate::cancel::Running;
use crate::handle::Kind;
use crate::info;
use crate::statement::redeem;
use crate::status::Answer;

/// How long an answer is held back for something new to tell, and how often that is looked at.
const HELD: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);

/// A flight whose rows nobody has asked for yet.
pub(crate) fn first(info: FlightInfo, expires: u64) -> PollInfo {
    let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.clone());
    PollInfo {
        info: Some(info),
        flight_descriptor: ticket.map(|ticket| FlightDescriptor::new_cmd(ticket.ticket)),
        progress: Some(0.0),
        expiration_time: Some(at(expires)),
    }
}

/// How far the flight of a ticket is, once that has changed or a moment has passed.
pub(crate) async fn again(
    shared: &Shared,
    caller: &Caller,
    descriptor: FlightDescriptor,
    sealed: &Bytes,
) -> Answer<PollInfo> {
    let (id, schema, expires) = {
        let (handle, described, _) = redeem(shared, caller, sealed, Kind::Ticket).await?;
        (handle.id, described.schema, handle.expires)
    };
    let course = changed(&shared.running, &id).await;
    let info = info::describe(&schema, None, descriptor.cmd.clone());
    Ok(PollInfo {
        info: Some(info),
        flight_descriptor: course.is_some().then_some(descriptor),
        progress: course.flatten(),
        expiration_time: Some(at(expires)),
    })
}

async fn changed(running: &Running, id: &[u8]) -> Option<Option<f64>> {
    let first = running.course(id)?;
    let end = Instant::now() + HELD;
    loop {
        sleep(LOOK).await;
        let now = running.course(id)?;
        if now != first || Instant::now() >= end {
            return Some(now);
        }
    }
}

/// A time in seconds since 1970, as the protocol has it.
fn at(seconds: u64) -> Timestamp {
    Timestamp { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 }
}
