//! Tags and back, and rows of a history that nobody vouches for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn statement(id: Option<&str>, by: Value) -> Statement {
    Statement {
        text: String::new(),
        bindings: serde_json::Map::new(),
        id: id.map(str::to_owned),
        tag: by,
        timeout: None,
        describe_only: false,
        counter: Counter::default(),
    }
}

#[test]
fn a_statement_is_found_by_its_tag_whoever_sent_it() {
    let by = json!({ "user": "ana", "tenant": "x\"y" });
    let said = tag("r", &statement(Some("64f1-2a"), by.clone()));
    assert_eq!(named(&said), Some("64f1-2a"));
    let read: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&read["request"], &read["by"]), (&json!("r"), &by));
    // Who has a long name is found as well.
    let long = json!({ "user": "u".repeat(5_000), "tenant": null });
    let said = tag("r", &statement(Some("64f1-2a"), long));
    assert_eq!((named(&said), said.len()), (Some("64f1-2a"), MAX_TAG));
    // What the gateway asks for itself isn't one of anybody's.
    assert_eq!(named(&tag("r", &statement(None, by))), None);
    let other = format!("{BEGINS}{}\"", "a".repeat(65));
    let quote = format!("{BEGINS}a'b\"");
    let open = format!("{BEGINS}abc");
    for foreign in ["", "nightly", "{\"gateway\":\"tollgate\"}", BEGINS, &other, &quote, &open] {
        assert_eq!(named(foreign), None, "{foreign}");
    }
}

#[test]
fn rows_of_a_statement_are_summed_up_and_what_is_no_figure_is_refused() {
    let mut sums = Sums::default();
    let mut found = VecDeque::new();
    for (name, compute, acceleration) in [
        ("a", "0.25", None),
        ("a", "1e-9", Some("0.5")),
        ("b", "0.0000000005", None),
        ("c", "-0.1", None),
        ("d", "NaN", None),
        ("e", "1", Some("-2")),
        ("f", "10000001", None),
        ("g", "99999999999999999999999999999999999999", None),
        ("h", "1", None),
        ("h", "many", None),
        ("i", "-0", None),
        ("j", "0.100", None),
    ] {
        let tag = Some(format!("{BEGINS}{name}\",\"request\":\"r\"}}"));
        let text = |value: &str| value.to_owned();
        let credits = [Some(text(compute)), acceleration.map(text)];
        sums.row(tag, Begin::Within, credits, &mut found);
    }
    let one = Some("1".to_owned());
    sums.row(Some("nightly".to_owned()), Begin::Within, [one, None], &mut found);
    sums.row(None, Begin::Within, [None, None], &mut found);
    sums.row(Some(format!("{BEGINS}k\"")), Begin::Within, [None, None], &mut found);
    sums.end(&mut found);
    let found: Vec<_> =
        found.iter().map(|f| (f.statement.as_str(), f.credits.to_string())).collect();
    let wanted = [("a", "0.750000001"), ("b", "0.000000001"), ("i", "0"), ("j", "0.1")];
    assert_eq!(found, wanted.map(|(name, credits)| (name, credits.to_owned())));
    assert_eq!(sums.refused, 9);
}

/// Days that are asked for one by one cut no statement into pieces: all its rows are those of the day on which
/// it began.
#[test]
fn a_statement_is_whole_at_the_time_of_its_first_row() {
    let mut sums = Sums::default();
    let mut found = VecDeque::new();
    for (name, begin) in [
        ("a", Begin::Before),
        ("a", Begin::Within),
        ("b", Begin::After),
        ("b", Begin::Within),
        ("c", Begin::After),
        ("d", Begin::Within),
        ("d", Begin::Within),
        ("e", Begin::After),
        ("e", Begin::Before),
        ("no name", Begin::After),
    ] {
        let tag = Some(format!("{BEGINS}{name}\",\"request\":\"r\"}}"));
        sums.row(tag, begin, [Some("0.5".to_owned()), None], &mut found);
    }
    sums.end(&mut found);
    let found: Vec<_> =
        found.iter().map(|f| (f.statement.as_str(), f.credits.to_string())).collect();
    assert_eq!(found, ["b", "d"].map(|name| (name, "1".to_owned())));
    assert_eq!(sums.refused, 0);
}

#[test]
fn any_time_can_be_asked_for() {
    assert_eq!(spelled(i64::MIN), "1970-01-01T00:00:00.000000+00:00");
    assert_eq!(spelled(1_769_860_800_000_001), "2026-01-31T12:00:00.000001+00:00");
    assert_eq!(spelled(i64::MAX), "9999-12-31T23:59:59.000000+00:00");
}
