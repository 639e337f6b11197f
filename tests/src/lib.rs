//! Tests over all rooms: a whole gateway in this process, real clients, and real PostgreSQL as the
//! measure of what is right.
//!
//! `harness` starts both over the same data; every other module asks them one kind of question.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs,
        unreachable_pub,
        reason = "tests"
    )
)]

#[cfg(test)]
mod access_rules;
#[cfg(test)]
mod aggregates;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bi;
#[cfg(test)]
mod bills;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod caches;
#[cfg(test)]
mod catalog_queries;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod clickbench;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod corrections;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod credits;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod dialect;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod encode_against_postgres;
#[cfg(test)]
mod encode_diff;
#[cfg(test)]
mod explain_access;
#[cfg(test)]
mod export;
#[cfg(test)]
mod fetched_keys;
#[cfg(test)]
mod files;
#[cfg(test)]
mod flight;
#[cfg(test)]
mod flight_cancels;
#[cfg(test)]
mod flight_catalog;
#[cfg(test)]
mod flight_hostile;
#[cfg(test)]
mod flight_polls;
#[cfg(test)]
mod flight_replicas;
#[cfg(test)]
mod flight_sessions;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod generator;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lifetimes;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod noninterference;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod policy_reference;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod pooled;
#[cfg(test)]
mod postgres_warehouse;
#[cfg(test)]
mod predicates;
#[cfg(test)]
mod records;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod semi_structured;
#[cfg(test)]
mod snowflake_keys;
#[cfg(test)]
mod snowflake_live;
#[cfg(test)]
mod snowflake_warehouse;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod tpc;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod views;
#[cfg(test)]
mod virtual_warehouses;
#[cfg(test)]
mod warehouse_faults;
#[cfg(test)]
mod wire;
