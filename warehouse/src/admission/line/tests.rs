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

/// Whatever the order of asking, waiting, giving up and ending: never more than there are places, nobody
/// waits while one is free, and in the end all are free.
#[test]
fn no_place_is_lost() {
    let mut seed = 7_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for most in 1..5 {
        let line = Arc::new(Line::new(most));
        let (mut waiting, mut running): (Vec<Waiting>, Vec<Place>) = (Vec::new(), Vec::new());
        for _ in 0..5_000 {
            match random(5) {
                0 | 1 => waiting.push(ask(&line, ["ana", "bob", "eve"][random(3)])),
                2 if !waiting.is_empty() => drop(waiting.swap_remove(random(waiting.len()))),
                3 if !running.is_empty() => drop(running.swap_remove(random(running.len()))),
                _ => waiting.retain_mut(|one| match poll(one) {
                    Poll::Pending => true,
                    Poll::Ready(place) => {
                        running.extend(place.ok());
                        false
                    }
                }),
            }
            let (total, queued) = line.counts();
            assert!(total <= most && queued <= most * 4, "{total} run, {queued} wait");
            assert!(total == most || queued == 0, "{queued} wait for a free place");
        }
        drop((waiting, running));
        assert_eq!(line.counts(), (0, 0));
    }
}
