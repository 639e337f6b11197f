//! Messages of the protocol that the `arrow-flight` crate doesn't have (`Flight.proto`,
//! `FlightSql.proto`).

use std::collections::HashMap;

use prost::bytes::Bytes;

/// The value of a session option.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OptionValue {
    #[prost(oneof = "OptionKind", tags = "1, 2, 3, 4, 5")]
    pub(crate) value: Option<OptionKind>,
}

/// What a session option's value can be; none at all unsets the option.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum OptionKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(sfixed64, tag = "3")]
    Integer(i64),
    #[prost(double, tag = "4")]
    Number(f64),
    #[prost(message, tag = "5")]
    List(TextList),
}

/// A list of texts.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TextList {
    #[prost(string, repeated, tag = "1")]
    pub(crate) values: Vec<String>,
}

/// Names and values of options: `SetSessionOptionsRequest` and `GetSessionOptionsResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SessionOptions {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) options: HashMap<String, OptionValue>,
}

/// What could not be set, and why.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) errors: HashMap<String, OptionError>,
}

/// Why an option could not be set.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OptionError {
    #[prost(int32, tag = "1")]
    pub(crate) value: i32,
}

impl OptionError {
    /// There is no such option.
    pub(crate) const INVALID_NAME: Self = Self { value: 1 };
    /// The option can't have this value.
    pub(crate) const INVALID_VALUE: Self = Self { value: 2 };
}

/// How a session ended.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CloseSessionResult {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

impl CloseSessionResult {
    /// It is closed.
    pub(crate) const CLOSED: Self = Self { status: 1 };
}

/// `ActionCreatePreparedStatementResult` as of June 2026, with `is_update`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PreparedStatement {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) handle: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) dataset_schema: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) parameter_schema: Bytes,
    #[prost(bool, optional, tag = "4")]
    pub(crate) is_update: Option<bool>,
}
