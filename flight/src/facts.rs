//! What this server can do (`SqlInfo`), in full: drivers cache it and ask for any part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow_flight::error::Result;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetSqlInfo, SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel,
    SqlSupportedCaseSensitivity, SqlSupportedResultSetType, SqlSupportedTransaction,
    SqlSupportsConvert, SqlTransactionIsolationLevel,
};

/// PostgreSQL's bound on names (`NAMEDATALEN` - 1).
const NAME: i64 = 63;

/// The rows that a client asks for; prepared statements are good for `lifetime`.
pub(crate) fn batch(command: &CommandGetSqlInfo, lifetime: Duration) -> Result<RecordBatch> {
    data(lifetime)?.record_batch(asked(&command.info))
}

/// What is asked for, each once: the list is as long as a client likes. Of what isn't known one is kept, so
/// that a list of nothing else isn't one of everything.
fn asked(info: &[u32]) -> BTreeSet<u32> {
    let known = |id: u32| i32::try_from(id).is_ok_and(|id| SqlInfo::try_from(id).is_ok());
    let mut asked: BTreeSet<u32> = info.iter().copied().filter(|id| known(*id)).collect();
    if asked.is_empty() && !info.is_empty() {
        asked.insert(u32::MAX);
    }
    asked
}

fn data(lifetime: Duration) -> Result<SqlInfoData> {
    let mut info = SqlInfoDataBuilder::new();
    server(&mut info, lifetime);
    names(&mut info);
    syntax(&mut info);
    limits(&mut info);
    transactions(&mut info);
    info.build()
}

fn server(info: &mut SqlInfoDataBuilder, lifetime: Duration) {
    info.append(SqlInfo::FlightSqlServerName, "Tollgate");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    for (name, value) in [
        (SqlInfo::FlightSqlServerReadOnly, true),
        (SqlInfo::FlightSqlServerSql, true),
        (SqlInfo::FlightSqlServerSubstrait, false),
        (SqlInfo::FlightSqlServerCancel, true),
        (SqlInfo::FlightSqlServerBulkIngestion, false),
        (SqlInfo::FlightSqlServerIngestTransactionsSupported, false),
    ] {
        info.append(name, value);
    }
    info.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    info.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    let milliseconds = i32::try_from(lifetime.as_millis()).unwrap_or(i32::MAX);
    info.append(SqlInfo::FlightSqlServerStatementTimeout, milliseconds);
    info.append(SqlInfo::FlightSqlServerTransactionTimeout, 0_i32);
}

fn names(info: &mut SqlInfoDataBuilder) {
    for name in [SqlInfo::SqlDdlCatalog, SqlInfo::SqlDdlSchema, SqlInfo::SqlDdlTable] {
        info.append(name, false);
    }
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    info.append(SqlInfo::SqlIdentifierCase, lower);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    // Quoted names keep their case and are told apart by it, for which there is no value.
    let unknown = SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32;
    info.append(SqlInfo::SqlQuotedIdentifierCase, unknown);
    // What isn't granted isn't listed.
    info.append(SqlInfo::SqlAllTablesAreSelectable, true);
    info.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    for (name, words) in [
        (SqlInfo::SqlKeywords, "ilike limit offset returning"),
        (
            SqlInfo::SqlNumericFunctions,
            "abs ceil floor round trunc sqrt power exp ln log mod sign random pi degrees radians",
        ),
        (
            SqlInfo::SqlStringFunctions,
            "lower upper length trim ltrim rtrim substring replace concat left right lpad rpad \
             split_part position starts_with reverse repeat",
        ),
        (
            SqlInfo::SqlSystemFunctions,
            "current_user session_user current_database current_schema version coalesce nullif",
        ),
        (
            SqlInfo::SqlDatetimeFunctions,
            "current_date current_timestamp now date_trunc date_part extract",
        ),
    ] {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        info.append(name, words);
    }
    info.append(SqlInfo::SqlSearchStringEscape, "\\");
    info.append(SqlInfo::SqlExtraNameCharacters, "");
    info.append(SqlInfo::SqlSchemaTerm, "schema");
    info.append(SqlInfo::SqlProcedureTerm, "function");
    info.append(SqlInfo::SqlCatalogTerm, "database");
    info.append(SqlInfo::SqlCatalogAtStart, true);
}

fn syntax(info: &mut SqlInfoDataBuilder) {
    for (name, value) in [
        (SqlInfo::SqlSupportsColumnAliasing, true),
        (SqlInfo::SqlNullPlusNullIsNull, true),
        (SqlInfo::SqlSupportsTableCorrelationNames, true),
        (SqlInfo::SqlSupportsDifferentTableCorrelationNames, false),
        (SqlInfo::SqlSupportsExpressionsInOrderBy, true),
        (SqlInfo::SqlSupportsOrderByUnrelated, true),
        (SqlInfo::SqlSupportsLikeEscapeClause, true),
        (SqlInfo::SqlSupportsNonNullableColumns, true),
        (SqlInfo::SqlSupportsIntegrityEnhancementFacility, false),
        (SqlInfo::SqlSelectForUpdateSupported, false),
        (SqlInfo::SqlStoredProceduresSupported, false),
        (SqlInfo::SqlCorrelatedSubqueriesSupported, true),
        (SqlInfo::SqlBatchUpdatesSupported, false),
        (SqlInfo::SqlSavepointsSupported, false),
        (SqlInfo::SqlNamedParametersSupported, false),
        (SqlInfo::SqlLocatorsUpdateCopy, false),
        (SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported, false),
    ] {
        info.append(name, value);
    }
    // Bit masks: one bit for each value of the enumeration that the name says.
    for (name, mask) in [
        (SqlInfo::SqlSupportedGroupBy, 0b11),
        (SqlInfo::SqlSupportedGrammar, 0b11),
        (SqlInfo::SqlAnsi92SupportedLevel, 0b1),
        (SqlInfo::SqlSchemasSupportedActions, 0),
        (SqlInfo::SqlCatalogsSupportedActions, 0),
        (SqlInfo::SqlSupportedPositionedCommands, 0),
        (SqlInfo::SqlSupportedSubqueries, 0b1111),
        (SqlInfo::SqlSupportedUnions, 0b11),
    ] {
        info.append(name, mask);
    }
    let outer = SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32;
    info.append(SqlInfo::SqlOuterJoinsSupportLevel, outer);
    info.append(SqlInfo::SqlSupportsConvert, conversions());
}

/// Which types are cast to which.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert as Convert;
    let numbers = [
        Convert::SqlConvertBigint,
        Convert::SqlConvertDecimal,
        Convert::SqlConvertFloat,
        Convert::SqlConvertInteger,
        Convert::SqlConvertNumeric,
        Convert::SqlConvertReal,
        Convert::SqlConvertSmallint,
    ]
    .map(|of| of as i32);
    let texts = [Convert::SqlConvertChar, Convert::SqlConvertVarchar].map(|of| of as i32);
    let times = [Convert::SqlConvertDate, Convert::SqlConvertTimestamp].map(|of| of as i32);
    let mut conversions = BTreeMap::new();
    for from in numbers {
        conversions.insert(from, [numbers.as_slice(), &texts].concat());
    }
    for from in times {
        conversions.insert(from, [times.as_slice(), &texts].concat());
    }
    for from in texts {
        conversions.insert(from, [numbers.as_slice(), &texts, &times].concat());
    }
    conversions
}

fn limits(info: &mut SqlInfoDataBuilder) {
    // 0: no limit, or none that is known.
    for (name, limit) in [
        (SqlInfo::SqlMaxBinaryLiteralLength, 0),
        (SqlInfo::SqlMaxCharLiteralLength, 0),
        (SqlInfo::SqlMaxColumnNameLength, NAME),
        (SqlInfo::SqlMaxColumnsInGroupBy, 0),
        (SqlInfo::SqlMaxColumnsInIndex, 0),
        (SqlInfo::SqlMaxColumnsInOrderBy, 0),
        (SqlInfo::SqlMaxColumnsInSelect, 0),
        (SqlInfo::SqlMaxColumnsInTable, 0),
        (SqlInfo::SqlMaxConnections, 0),
        (SqlInfo::SqlMaxCursorNameLength, NAME),
        (SqlInfo::SqlMaxIndexLength, 0),
        (SqlInfo::SqlDbSchemaNameLength, NAME),
        (SqlInfo::SqlMaxProcedureNameLength, NAME),
        (SqlInfo::SqlMaxCatalogNameLength, NAME),
        (SqlInfo::SqlMaxRowSize, 0),
        (SqlInfo::SqlMaxStatementLength, 0),
        (SqlInfo::SqlMaxStatements, 0),
        (SqlInfo::SqlMaxTableNameLength, NAME),
        (SqlInfo::SqlMaxTablesInSelect, 0),
        (SqlInfo::SqlMaxUsernameLength, 128),
    ] {
        info.append(name, limit);
    }
    info.append(SqlInfo::SqlMaxRowSizeIncludesBlobs, true);
}

fn transactions(info: &mut SqlInfoDataBuilder) {
    for (name, value) in [
        (SqlInfo::SqlTransactionsSupported, false),
        (SqlInfo::SqlDataDefinitionCausesTransactionCommit, false),
        (SqlInfo::SqlDataDefinitionsInTransactionsIgnored, false),
    ] {
        info.append(name, value);
    }
    let none = SqlTransactionIsolationLevel::SqlTransactionNone as i32;
    info.append(SqlInfo::SqlDefaultTransactionIsolation, none);
    info.append(SqlInfo::SqlSupportedTransactionsIsolationLevels, 1 << none);
    let forward = SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32;
    info.append(SqlInfo::SqlSupportedResultSetTypes, 1 << forward);
    for name in [
        SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified,
        SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly,
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive,
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive,
    ] {
        info.append(name, 0_i32);
    }
}

/// The schema of the answer.
pub(crate) fn schema() -> Result<arrow::datatypes::SchemaRef> {
    data(Duration::ZERO).map(|data| data.schema())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )]

    use arrow_flight::sql::{CommandGetSqlInfo, SqlInfo};

    #[test]
    fn every_code_of_the_specification_is_answered() {
        let hour = std::time::Duration::from_secs(3600);
        let all = super::batch(&CommandGetSqlInfo { info: Vec::new() }, hour).unwrap();
        let known = (0..=600).filter(|code| SqlInfo::try_from(*code).is_ok()).count();
        assert_eq!(all.num_rows(), known);
        let one = CommandGetSqlInfo { info: vec![SqlInfo::FlightSqlServerTransaction as u32] };
        assert_eq!(super::batch(&one, hour).unwrap().num_rows(), 1);
    }
}
