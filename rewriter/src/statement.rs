//! SQL text to statements: split, classified, and refused unless they read.

mod delivered;
mod errors;
mod nesting;

use std::sync::Arc;

use datafusion_sql::sqlparser::ast::{Query, SetExpr, Statement};
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

use crate::command::{self, Command};
use crate::delivery::Delivery;
use crate::dialect::SqlDialect;
use crate::tokens::{self, Cursor};
use errors::{parser_error, read_only, syntax_error};

/// The longest SQL text that is parsed, in bytes.
pub const MAX_SQL_BYTES: usize = 1 << 20;
/// The deepest nesting that is parsed.
const MAX_DEPTH: usize = 64;
/// The most statements in one text.
const MAX_STATEMENTS: usize = 1_000;

/// One statement, parsed and classified.
#[derive(Debug, Clone)]
pub struct Parsed {
    sql: Arc<str>,
    dialect: SqlDialect,
    body: Body,
    /// How many operators the whole text has: a chain of them is as deep as it is long.
    pub(crate) operators: usize,
    /// Whether `sql` is what the client wrote. What the parser prints may be read in two ways.
    as_written: bool,
}

/// What a statement is.
#[derive(Debug, Clone)]
pub enum Body {
    /// A query that returns rows.
    Query(Arc<Query>),
    /// `EXPLAIN` of a query.
    Explain(Arc<Query>),
    /// `EXPLAIN ACCESS` of a query: what its caller sees of what it names.
    ExplainAccess(Arc<Query>),
    /// A session command.
    Command(Command),
    /// A query whose rows a cursor or a `COPY` delivers.
    Delivered {
        /// How.
        delivery: Delivery,
        /// The query.
        query: Arc<Parsed>,
    },
    /// `PREPARE name AS query`.
    Prepare {
        /// The statement's name.
        name: String,
        /// What it prepares.
        query: Arc<Parsed>,
    },
    /// `EXECUTE name (values)`: values are literals.
    Execute {
        /// The statement's name.
        name: String,
        /// The values as text, `None` is NULL.
        values: Vec<Option<String>>,
    },
}

impl Parsed {
    /// The text of this statement alone.
    pub fn sql(&self) -> &Arc<str> {
        &self.sql
    }

    /// What it is written in.
    pub fn dialect(&self) -> SqlDialect {
        self.dialect
    }

    /// Whether its text is what the client wrote, so that equal texts are equal statements.
    pub fn is_as_written(&self) -> bool {
        self.as_written
    }

    /// What it is.
    pub fn body(&self) -> &Body {
        &self.body
    }
}

/// Splits and parses the text of a simple query or of a Parse message, in PostgreSQL's dialect.
///
/// # Errors
/// Syntax errors, statements that write, and statements that the gateway doesn't know.
pub fn parse(sql: &str) -> Result<Vec<Parsed>, Error> {
    parse_in(SqlDialect::PostgreSql, sql)
}

/// The same in a dialect. Session commands are PostgreSQL's in each.
///
/// # Errors
/// Those of [`parse`], and what doesn't read in one way only.
pub fn parse_in(dialect: SqlDialect, sql: &str) -> Result<Vec<Parsed>, Error> {
    if sql.len() > MAX_SQL_BYTES {
        return Err(Error::new(ErrorKind::ProgramLimit, "the statement is too long")
            .with_hint(format!("keep a statement under {MAX_SQL_BYTES} bytes")));
    }
    let tokens = dialect.tokens(sql).map_err(|error| syntax_error(&error, sql))?;
    let operators = tokens::operators(&tokens)?;
    nesting::bounded(&tokens)?;
    dialect.bounded(sql, &tokens)?;
    // The parser recurses; what its depth limit allows must fit, whatever thread this is.
    deep(operators, || split(dialect, sql, tokens, operators))
}

/// The stack that the deepest nesting needs, in bytes, with room to spare in a debug build.
const STACK: usize = 6 << 20;
/// What each operator of a chain needs on top of it.
const STACK_OF_OPERATOR: usize = 24 << 10;

/// Runs what recurses as deep as a statement with so many operators is, whatever thread this is.
pub(crate) fn deep<T>(operators: usize, f: impl FnOnce() -> T) -> T {
    let stack = STACK + operators * STACK_OF_OPERATOR;
    stacker::maybe_grow(stack, stack, f)
}

fn split(
    dialect: SqlDialect,
    sql: &str,
    tokens: Vec<TokenWithSpan>,
    operators: usize,
) -> Result<Vec<Parsed>, Error> {
    let mut cursor = Cursor::new(sql);
    let mut statements = Vec::new();
    let mut tokens = tokens.into_iter();
    while tokens.len() > 0 {
        let end = tokens.as_slice().iter().position(|token| token.token == Token::SemiColon);
        let length = end.unwrap_or(tokens.len());
        let part: Vec<_> = tokens.by_ref().take(length).collect();
        tokens.next();
        let solid =
            |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
        if !part.iter().any(solid) {
            continue;
        }
        if statements.len() >= MAX_STATEMENTS {
            return Err(Error::new(
                ErrorKind::ProgramLimit,
                format!("a query string holds more than {MAX_STATEMENTS} statements"),
            )
            .with_hint("send them one by one"));
        }
        let text: Arc<str> = cursor.text(&part).into();
        let body = body(dialect, part, &text, operators)?;
        statements.push(Parsed { sql: text, dialect, body, operators, as_written: true });
    }
    Ok(statements)
}

fn body(
    dialect: SqlDialect,
    mut part: Vec<TokenWithSpan>,
    text: &str,
    operators: usize,
) -> Result<Body, Error> {
    let access = explained_access(&part);
    part.drain(..access.unwrap_or(0));
    let part = dialect.spelled(part)?;
    if access.is_none() {
        if let Some(command) = command::read(&part)? {
            return Ok(Body::Command(command));
        }
        if let Some(body) = delivered::read(dialect, &part, text, operators)? {
            return Ok(body);
        }
    }
    spelled(dialect, part, text, operators, access.is_some())
}

/// What a statement is that is no command, by its tokens as they are meant.
fn spelled(
    dialect: SqlDialect,
    part: Vec<TokenWithSpan>,
    text: &str,
    operators: usize,
    access: bool,
) -> Result<Body, Error> {
    let mut parser = Parser::new(dialect.parser())
        .with_recursion_limit(MAX_DEPTH)
        .with_tokens_with_locations(part);
    let statement = parser.parse_statement().map_err(|error| parser_error(&error, text))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Error::new(
            ErrorKind::Syntax,
            format!("syntax error at or near \"{}\"", rest.token),
        ));
    }
    match (classify(dialect, statement, text, operators)?, access) {
        (body, false) => Ok(body),
        (Body::Query(query), true) => Ok(Body::ExplainAccess(query)),
        (_, true) => Err(Error::not_supported("EXPLAIN ACCESS of this statement")
            .with_hint("use EXPLAIN ACCESS followed by the query")),
    }
}

/// How many tokens `EXPLAIN ACCESS` takes, if a statement begins so: the parser doesn't know it.
fn explained_access(part: &[TokenWithSpan]) -> Option<usize> {
    let mut taken = 0;
    for keyword in ["EXPLAIN", "ACCESS"] {
        let rest = part.get(taken..)?;
        let at = rest.iter().position(|token| !matches!(token.token, Token::Whitespace(_)))?;
        match &rest.get(at)?.token {
            Token::Word(word)
                if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword) =>
            {
                taken += at + 1;
            }
            _ => return None,
        }
    }
    Some(taken)
}

/// Names every statement of the parser: one that it learns later breaks this build.
fn classify(
    dialect: SqlDialect,
    statement: Statement,
    text: &str,
    operators: usize,
) -> Result<Body, Error> {
    let word = || {
        text.split(|c: char| !c.is_ascii_alphabetic())
            .find(|word| !word.is_empty())
            .unwrap_or("this statement")
            .to_ascii_uppercase()
    };
    match statement {
        Statement::Query(query) => {
            reads(&query)?;
            Ok(Body::Query(Arc::from(query)))
        }
        Statement::Explain {
            analyze,
            verbose: _,
            query_plan: _,
            estimate: _,
            statement,
            format,
            options,
            describe_alias: _,
        } => {
            if analyze || format.is_some() || options.is_some() {
                return Err(Error::not_supported("EXPLAIN with options")
                    .with_hint("use EXPLAIN followed by the query"));
            }
            match *statement {
                Statement::Query(query) => {
                    reads(&query)?;
                    Ok(Body::Explain(Arc::from(query)))
                }
                other => {
                    classify(dialect, other, text, operators)?;
                    Err(Error::not_supported("EXPLAIN of this statement"))
                }
            }
        }
        Statement::Prepare { name, data_types, statement } => {
            if !data_types.is_empty() {
                return Err(Error::not_supported("PREPARE with types")
                    .with_hint("leave the types out, they are inferred"));
            }
            let sql: Arc<str> = statement.to_string().into();
            let body = classify(dialect, *statement, &sql, operators)?;
            let Body::Query(_) = body else {
                return Err(Error::not_supported("PREPARE of this statement"));
            };
            let name = tollgate_catalog::id::fold(&name.value, name.quote_style.is_some());
            Ok(Body::Prepare {
                name,
                query: Arc::new(Parsed { sql, dialect, body, operators, as_written: false }),
            })
        }
        Statement::Execute {
            name: Some(name),
            parameters,
            has_parentheses: _,
            immediate: false,
            into,
            using,
            output: false,
            default: false,
        } if into.is_empty() && using.is_empty() => {
            let values = parameters.iter().map(literal).collect::<Result<_, _>>()?;
            let name = match name.0.as_slice() {
                [part] => part.as_ident().map(|ident| {
                    tollgate_catalog::id::fold(&ident.value, ident.quote_style.is_some())
                }),
                _ => None,
            };
            let name = name.ok_or_else(|| Error::not_supported("EXECUTE of a qualified name"))?;
            Ok(Body::Execute { name, values })
        }
        Statement::Execute { .. } => Err(Error::not_supported("EXECUTE in this form")),
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::Truncate(_)
        | Statement::LoadData { .. }
        | Statement::CreateView(_)
        | Statement::CreateTable(_)
        | Statement::CreateVirtualTable { .. }
        | Statement::CreateIndex(_)
        | Statement::CreateRole(_)
        | Statement::CreateSecret { .. }
        | Statement::CreateServer(_)
        | Statement::CreatePolicy(_)
        | Statement::CreateConnector(_)
        | Statement::CreateOperator(_)
        | Statement::CreateOperatorFamily(_)
        | Statement::CreateOperatorClass(_)
        | Statement::AlterTable(_)
        | Statement::AlterSchema(_)
        | Statement::AlterIndex { .. }
        | Statement::AlterView { .. }
        | Statement::AlterFunction(_)
        | Statement::AlterType(_)
        | Statement::AlterCollation(_)
        | Statement::AlterOperator(_)
        | Statement::AlterOperatorFamily(_)
        | Statement::AlterOperatorClass(_)
        | Statement::AlterRole { .. }
        | Statement::AlterPolicy(_)
        | Statement::AlterConnector { .. }
        | Statement::Drop { .. }
        | Statement::DropFunction(_)
        | Statement::DropDomain(_)
        | Statement::DropProcedure { .. }
        | Statement::DropSecret { .. }
        | Statement::DropPolicy(_)
        | Statement::DropConnector { .. }
        | Statement::CreateExtension(_)
        | Statement::CreateCollation(_)
        | Statement::DropExtension(_)
        | Statement::DropOperator(_)
        | Statement::DropOperatorFamily(_)
        | Statement::DropOperatorClass(_)
        | Statement::Comment { .. }
        | Statement::CreateSchema { .. }
        | Statement::CreateDatabase { .. }
        | Statement::CreateFunction(_)
        | Statement::CreateTrigger(_)
        | Statement::DropTrigger(_)
        | Statement::CreateProcedure { .. }
        | Statement::CreateMacro { .. }
        | Statement::CreateStage { .. }
        | Statement::Grant(_)
        | Statement::Deny(_)
        | Statement::Revoke(_)
        | Statement::CreateSequence { .. }
        | Statement::CreateDomain(_)
        | Statement::CreateType { .. }
        | Statement::RenameTable(_)
        | Statement::CreateUser(_)
        | Statement::AlterUser(_)
        | Statement::Vacuum(_)
        | Statement::Analyze(_)
        | Statement::Lock(_)
        | Statement::LockTables { .. }
        | Statement::UnlockTables
        | Statement::OptimizeTable { .. } => Err(read_only(&word())),
        Statement::Set(_)
        | Statement::Msck(_)
        | Statement::Install { .. }
        | Statement::Load { .. }
        | Statement::Directory { .. }
        | Statement::Case(_)
        | Statement::If(_)
        | Statement::While(_)
        | Statement::Raise(_)
        | Statement::Call(_)
        | Statement::Copy { .. }
        | Statement::CopyIntoSnowflake { .. }
        | Statement::Open(_)
        | Statement::Close { .. }
        | Statement::AlterSession { .. }
        | Statement::AttachDatabase { .. }
        | Statement::AttachDuckDBDatabase { .. }
        | Statement::DetachDuckDBDatabase { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Flush { .. }
        | Statement::Discard { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowObjects(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. }
        | Statement::Use(_)
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Assert { .. }
        | Statement::Deallocate { .. }
        | Statement::Kill { .. }
        | Statement::ExplainTable { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Cache { .. }
        | Statement::UNCache { .. }
        | Statement::Pragma { .. }
        | Statement::Unload { .. }
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        | Statement::NOTIFY { .. }
        | Statement::List(_)
        | Statement::Remove(_)
        | Statement::RaisError { .. }
        | Statement::Throw(_)
        | Statement::Print(_)
        | Statement::WaitFor(_)
        | Statement::Return(_)
        | Statement::ExportData(_)
        | Statement::Reset(_) => Err(Error::not_supported(&word())),
    }
}

/// Refuses a query whose top is a write. (The gate refuses writes at every depth.)
fn reads(query: &Query) -> Result<(), Error> {
    match query.body.as_ref() {
        SetExpr::Insert(_) => Err(read_only("INSERT")),
        SetExpr::Update(_) => Err(read_only("UPDATE")),
        SetExpr::Delete(_) => Err(read_only("DELETE")),
        SetExpr::Merge(_) => Err(read_only("MERGE")),
        SetExpr::Select(_)
        | SetExpr::Query(_)
        | SetExpr::SetOperation { .. }
        | SetExpr::Values(_)
        | SetExpr::Table(_) => Ok(()),
    }
}

/// A literal of EXECUTE as text.
fn literal(expr: &datafusion_sql::sqlparser::ast::Expr) -> Result<Option<String>, Error> {
    use datafusion_sql::sqlparser::ast::{Expr, UnaryOperator, Value};
    let refused = || Error::not_supported("EXECUTE with anything but literals");
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Ok(Some(number.clone())),
            Value::SingleQuotedString(text) => Ok(Some(text.clone())),
            Value::Boolean(value) => Ok(Some(value.to_string())),
            Value::Null => Ok(None),
            _ => Err(refused()),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match literal(expr)? {
            Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Some(format!("-{number}")))
            }
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}
