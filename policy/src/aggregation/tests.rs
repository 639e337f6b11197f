//! That two rules together allow what both allow, and which rule is proven to tell less.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::*;

fn dimensions(bits: u32) -> Vec<Dimension> {
    let all = [(0, None), (1, None), (1, Some("month".to_owned()))];
    let some = all.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    some.map(|(_, (column, bucket))| Dimension { column, bucket }).collect()
}

fn join(key: usize, bits: u32) -> DeclaredJoin {
    let table = TableName::new("s", "other");
    DeclaredJoin { table, column: 9, key, dimensions: dimensions(bits) }
}

/// Some hundred rules of one entity.
fn rules() -> Vec<Aggregation> {
    let mut all = Vec::new();
    for (least, dominance) in [(2, 50), (2, 40), (5, 50)] {
        for dimensions in [0, 1, 2, 4, 6].map(dimensions) {
            for measures in [vec![], vec![3], vec![3, 4]] {
                for joins in
                    [vec![], vec![join(0, 1)], vec![join(0, 3)], vec![join(1, 1), join(0, 2)]]
                {
                    let (dimensions, measures) = (dimensions.clone(), measures.clone());
                    all.push(Aggregation {
                        least,
                        dominance,
                        entity: 9,
                        dimensions,
                        measures,
                        joins,
                    });
                }
            }
        }
    }
    all
}

/// A cell that somebody asks for: what it is grouped and joined by, what it sums, and what it is of.
struct Cell {
    dimension: Option<Dimension>,
    measure: Option<usize>,
    join: Option<(usize, Option<Dimension>)>,
    entities: u64,
    share: u32,
}

fn cells() -> Vec<Cell> {
    let some = || [None].into_iter().chain(dimensions(7).into_iter().map(Some));
    let mut all = Vec::new();
    for dimension in some() {
        for measure in [None, Some(3), Some(4)] {
            let joined = [0, 1].into_iter().flat_map(|key| some().map(move |by| Some((key, by))));
            for join in joined.chain([None]) {
                for (entities, share) in [(1, 1), (2, 40), (2, 50), (5, 40), (5, 50), (5, 51)] {
                    let (dimension, join) = (dimension.clone(), join.clone());
                    all.push(Cell { dimension, measure, join, entities, share });
                }
            }
        }
    }
    all
}

/// Whether a rule shows a cell, written down from what policies say.
fn shows(rule: &Aggregation, cell: &Cell) -> bool {
    cell.entities >= rule.least
        && cell.share <= rule.dominance
        && cell.dimension.as_ref().is_none_or(|by| rule.dimensions.contains(by))
        && cell.measure.is_none_or(|measure| rule.measures.contains(&measure))
        && cell.join.as_ref().is_none_or(|(key, by)| {
            rule.joins.iter().any(|join| {
                join.key == *key && by.as_ref().is_none_or(|by| join.dimensions.contains(by))
            })
        })
}

#[test]
fn two_rules_show_what_both_show_and_less_is_told_from_more() {
    let cells = cells();
    let shown: Vec<(Aggregation, Vec<bool>)> = rules()
        .into_iter()
        .map(|rule| {
            let shown = cells.iter().map(|cell| shows(&rule, cell)).collect();
            (rule, shown)
        })
        .collect();
    let mut within = 0;
    for (one, of_one) in shown.iter().step_by(3) {
        for (other, of_other) in &shown {
            let both = one.and(other).unwrap();
            for (at, cell) in cells.iter().enumerate() {
                assert_eq!(shows(&both, cell), of_one[at] && of_other[at], "{one:?} {other:?}");
            }
            assert!(both.is_within(one) && both.is_within(other));
            let is_within = of_one.iter().zip(of_other).all(|(one, other)| !one || *other);
            assert_eq!(one.is_within(other), is_within, "{one:?} {other:?}");
            within += usize::from(is_within);
        }
    }
    assert!(within > shown.len());
}

#[test]
fn rules_of_two_entities_are_not_compared() {
    let one = rules().remove(0);
    let other = Aggregation { entity: 8, ..one.clone() };
    assert_eq!(one.and(&other), None);
    assert!(!one.is_within(&other) && !other.is_within(&one));
}
