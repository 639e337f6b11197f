//! Who gets the next place, who is refused, and that no place is ever lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Full, Line, Place};

type Waiting = Pin<Box<dyn Future<Output = Result<Place, Full>> + Send>>;

fn ask(line: &Arc<Line>, user: &'static str) -> Waiting {
    let line = Arc::clone(line);
    Box::pin(async move { line.place(user, false).await })
}

fn poll(waiting: &mut Waiting) -> Poll<Result<Place, Full>> {
    waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn ready(mut waiting: Waiting) -> Place {
    match poll(&mut waiting) {
        Poll::Ready(Ok(place)) => place,
        other => panic!("{other:?}"),
    }
}

fn waits(mut waiting: Waiting) -> Waiting {
    assert!(poll(&mut waiting).is_pending());
    waiting
}

#[test]
fn places_go_to_whom_has_fewest() {
    let line = Arc::new(Line::new(2));
    let (one, two) = (ready(ask(&line, "ana")), ready(ask(&line, "ana")));
    let mut hers = waits(ask(&line, "ana"));
    let mut his = waits(ask(&line, "bob"));
    drop(one);
    assert!(poll(&mut hers).is_pending());
    let Poll::Ready(Ok(bobs)) = poll(&mut his) else { panic!("bob waits") };
    drop(two);
    let Poll::Ready(Ok(third)) = poll(&mut hers) else { panic!("ana waits") };
    assert_eq!(line.counts(), (2, 0));
    drop((bobs, third));
    assert_eq!(line.counts(), (0, 0));
}

#[test]
fn a_full_queue_refuses_whoever_fills_it() {
    let line = Arc::new(Line::new(1));
    let running = ready(ask(&line, "ana"));
    let mut hers: Vec<_> = (0..4).map(|_| waits(ask(&line, "ana"))).collect();
    assert!(matches!(poll(&mut ask(&line, "ana")), Poll::Ready(Err(Full))));
    // Another one takes the place of her last.
    let mut his = waits(ask(&line, "bob"));
    assert!(matches!(poll(&mut hers.pop().unwrap()), Poll::Ready(Err(Full))));
    assert_eq!(line.counts(), (1, 4));
    drop(running);
    assert!(poll(&mut his).is_ready());
}

#[test]
fn who_stops_waiting_takes_nothing_along() {
    let line = Arc::new(Line::new(1));
    let running = ready(ask(&line, "ana"));
    let gone = waits(ask(&line, "bob"));
    let mut told = waits(ask(&line, "eve"));
    drop(gone);
    drop(running);
    assert_eq!(line.counts(), (1, 0));
    // Given a place, and gone before it looked.
    assert!(matches!(poll(&mut told), Poll::Ready(Ok(_))));
    let running = ready(ask(&line, "ana"));
    let unread = waits(ask(&line, "bob"));
    drop(running);
    assert_eq!(line.counts(), (1, 0));
    drop(unread);
    assert_eq!(line.counts(), (0, 0));
}

#[test]
fn more_places_are_given_at_once() {
    let line = Arc::new(Line::new(1));
    let _running = ready(ask(&line, "ana"));
    let mut waiting: Vec<_> = (0..3).map(|_| waits(ask(&line, "bob"))).collect();
    line.resize(3);
    assert!(poll(&mut waiting[0]).is_ready() && poll(&mut waiting[1]).is_ready());
}
