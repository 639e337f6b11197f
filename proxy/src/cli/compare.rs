//! One statement, or two that ask the same, under two bundles: which rows differ.
//!
//! The rows are a multiset. Of the first result a hash of 16 bytes is kept for each row, of the
//! second nothing but the rows that are shown, so memory is bounded whatever the rows are.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ring::digest::{Context, SHA256};
use serde::Serialize;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::Asker;

use super::rehearse::{Row, Stage};

/// The most rows of the first result: more than these are not compared.
pub(super) const MOST: usize = 1_000_000;

/// A statement and where it is tried out.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) stage: &'a Stage,
    pub(super) sql: &'a str,
}

/// Rows that one side has and the other hasn't.
#[derive(Debug, Default, Serialize)]
pub(super) struct Only {
    /// The first of them.
    pub(super) rows: Vec<Row>,
    /// How many there are.
    pub(super) count: u64,
}

/// What differs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Difference {
    /// The columns that were compared.
    pub(super) columns: Vec<String>,
    pub(super) gone: Only,
    pub(super) come: Only,
    /// Rows that are the same on both sides.
    pub(super) same: u64,
}

type Hash = [u8; 16];

/// Which columns of a result count, by index; `None`: all.
type Kept<'a> = Option<&'a [usize]>;

/// Compares the rows of two results, in the columns that are kept, and keeps at most `shown` rows of
/// each kind. An error of either side is that side's.
pub(super) async fn rows(
    asker: &Asker,
    (old, new): (Side<'_>, Side<'_>),
    (of_old, of_new): (Kept<'_>, Kept<'_>),
    shown: usize,
) -> Result<Difference, Error> {
    let mut counts: HashMap<Hash, u64> = HashMap::new();
    let mut read = 0_usize;
    let mut visit = |row: Row| {
        read = read.saturating_add(1);
        if read > MOST {
            return ControlFlow::Break(());
        }
        *counts.entry(hash(&kept(row, of_old))).or_default() += 1;
        ControlFlow::Continue(())
    };
    old.stage.each(asker, old.sql, &mut visit).await?;
    if read > MOST {
        return Err(Error::new(
            ErrorKind::ProgramLimit,
            format!("there are more than {MOST} rows, which are not compared"),
        )
        .with_hint("compare a statement that filters or aggregates"));
    }
    let mut difference = Difference::default();
    let mut visit = |row: Row| {
        let row = kept(row, of_new);
        match counts.get_mut(&hash(&row)) {
            Some(left @ 1..) => {
                *left -= 1;
                difference.same += 1;
            }
            Some(0) | None => {
                difference.come.count += 1;
                if difference.come.rows.len() < shown {
                    difference.come.rows.push(row);
                }
            }
        }
        ControlFlow::Continue(())
    };
    difference.columns = kept(new.stage.each(asker, new.sql, &mut visit).await?, of_new);
    difference.gone.count = counts.values().sum();
    if difference.gone.count > 0 && shown > 0 {
        // Only hashes were kept: the rows are read once more.
        let gone = &mut difference.gone.rows;
        let mut visit = |row: Row| {
            let row = kept(row, of_old);
            if let Some(left @ 1..) = counts.get_mut(&hash(&row)) {
                *left -= 1;
                gone.push(row);
            }
            if gone.len() < shown { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        old.stage.each(asker, old.sql, &mut visit).await?;
    }
    Ok(difference)
}

/// The rows of one side, where the other one has none.
pub(super) async fn all(asker: &Asker, side: Side<'_>, shown: usize) -> Result<Only, Error> {
    let mut only = Only::default();
    let mut visit = |row| {
        only.count += 1;
        if only.rows.len() < shown {
            only.rows.push(row);
        }
        ControlFlow::Continue(())
    };
    side.stage.each(asker, side.sql, &mut visit).await?;
    Ok(only)
}

fn kept<T: Clone>(row: Vec<T>, columns: Kept<'_>) -> Vec<T> {
    match columns {
        None => row,
        Some(columns) => columns.iter().filter_map(|at| row.get(*at).cloned()).collect(),
    }
}

/// Of the values with their lengths, so that no two rows share their bytes.
fn hash(row: &Row) -> Hash {
    let mut context = Context::new(&SHA256);
    for value in row {
        match value {
            None => context.update(&[0]),
            Some(text) => {
                context.update(&[1]);
                context.update(&(text.len() as u64).to_be_bytes());
                context.update(text.as_bytes());
            }
        }
    }
    let mut hash = Hash::default();
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}
