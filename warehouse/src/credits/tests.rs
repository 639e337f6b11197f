//! A clock with chosen times, and credits to the digit.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn clock(per_hour: &str, suspend: Duration) -> Arc<Clock> {
    Arc::new(Clock::new(Terms { per_hour: per_hour.parse().unwrap(), suspend }))
}

fn run(clock: &Arc<Clock>) -> Decimal {
    let usage = Arc::new(Usage::default());
    drop(clock.begin(&usage));
    usage.credits().unwrap()
}

#[test]
fn time_is_charged_by_the_hour_to_a_billionth() {
    for (per_hour, seconds, credits) in [
        ("1", 3600, "1"),
        ("1", 60, "0.016666667"),
        ("512", 1, "0.142222222"),
        ("1.35", 3600, "1.35"),
        ("0.000000001", 1, "0"),
        ("0.000000001", 3600, "0.000000001"),
    ] {
        let credits_of =
            charged(per_hour.parse().unwrap(), micros_of(Duration::from_secs(seconds)));
        assert_eq!(credits_of.to_string(), credits, "{per_hour} for {seconds} s");
    }
    assert!(charged(Decimal::MAX, Decimal::MAX) > Decimal::ONE);
}

#[test]
fn who_starts_a_warehouse_pays_a_minute_of_it() {
    let clock = clock("60", Duration::from_secs(3600));
    let one = Decimal::ONE;
    assert_eq!(clock.expected(0), one);
    assert_eq!(run(&clock), one);
    assert!(run(&clock) < one);
    assert_eq!(clock.expected(0), Decimal::ZERO);
    // Whoever comes while it runs doesn't start it.
    let clock = self::clock("60", Duration::ZERO);
    let usage = Arc::new(Usage::default());
    let running = clock.begin(&usage);
    assert!(run(&clock) < one);
    drop(running);
    assert_eq!(usage.credits(), Some(one));
    // It sleeps again.
    assert_eq!(run(&clock), one);
}

#[test]
fn what_never_ran_is_not_charged_and_wakes_nobody() {
    let clock = clock("60", Duration::from_secs(3600));
    let usage = Arc::new(Usage::default());
    clock.begin(&usage).never_was();
    assert_eq!(usage.credits(), None);
    assert_eq!(run(&clock), Decimal::ONE);
}

#[test]
fn what_runs_is_charged_until_somebody_asks() {
    let clock = clock("3600000000", Duration::from_secs(3600));
    run(&clock);
    let usage = Arc::new(Usage::default());
    let running = clock.begin(&usage);
    std::thread::sleep(Duration::from_millis(2));
    let charged = usage.credits().unwrap();
    // In microseconds.
    assert!(charged >= Decimal::from(2_000) && charged == charged.trunc(), "{charged}");
    std::thread::sleep(Duration::from_millis(2));
    drop(running);
    assert_eq!(usage.credits(), Some(charged));
}

#[test]
fn how_fast_it_scans_is_learned() {
    let clock = clock("36", Duration::from_secs(3600));
    run(&clock);
    // 36 times 100 MB a second: a credit is 360 GB.
    assert_eq!(clock.expected(360_000_000_000).to_string(), "1");
    // 1 GB a second from the first one that is known.
    clock.learn(10_000_000_000, Duration::from_secs(10));
    assert_eq!(clock.expected(100_000_000_000).to_string(), "1");
    for _ in 0..200 {
        clock.learn(20_000_000_000, Duration::from_secs(10));
    }
    let faster = clock.expected(200_000_000_000);
    assert!(faster >= Decimal::ONE && faster < "1.001".parse().unwrap(), "{faster}");
    // Look-ups, and what a service has kept, tell nothing of it.
    for _ in 0..1_000 {
        clock.learn(0, Duration::from_millis(300));
        clock.learn(50_000, Duration::from_millis(300));
    }
    assert_eq!(clock.expected(200_000_000_000), faster);
    // Nothing that is learned is beyond all bounds.
    for _ in 0..1_000 {
        clock.learn(TELLING, Duration::MAX);
    }
    assert_eq!(clock.expected(360_000_000_000).to_string(), "16");
    for _ in 0..1_000 {
        clock.learn(u64::MAX, Duration::ZERO);
    }
    assert_eq!(clock.expected(360_000_000_000).to_string(), "0.0625");
    clock.expected(u64::MAX);
}

#[test]
fn a_start_that_nobody_paid_is_owed() {
    let clock = clock("60", Duration::from_secs(3600));
    let (refused, quick) = (Arc::new(Usage::default()), Arc::new(Usage::default()));
    let first = clock.begin(&refused);
    let second = clock.begin(&quick);
    first.never_was();
    assert_eq!(clock.expected(0), Decimal::ONE);
    drop(second);
    assert!(quick.credits().unwrap() < Decimal::ONE);
    assert_eq!(run(&clock), Decimal::ONE);
    assert!(run(&clock) < Decimal::ONE);
}
