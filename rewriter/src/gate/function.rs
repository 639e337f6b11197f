//! The gate over function calls, and the functions that the session answers itself.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Value,
    WindowType,
};
use tollgate_catalog::{Error, ErrorKind, OWN_SCHEMA};

use super::expr::{number, quoted, string};
use super::{Gate, fold, parts, quoted_name, refuse_if};

/// The functions in the gateway's own schema; all others are in `pg_catalog`.
const OWN: &[&str] = &["cancel_query"];

/// Whether a function of that name could be in a schema.
fn is_in(schema: &str, name: &str) -> bool {
    schema == if OWN.contains(&name) { OWN_SCHEMA } else { "pg_catalog" }
}

impl Gate<'_> {
    /// Walks a call. A function that isn't in the registry doesn't exist.
    pub(super) fn function(&mut self, expr: &mut Expr) -> Result<(), Error> {
        let Expr::Function(function) = expr else { return self.expr(expr) };
        let folded = parts(&function.name)?;
        let name = match folded.as_slice() {
            [name] if self.may_leave_schema_out(name) => name.clone(),
            [schema, name] if is_in(schema, name) => name.clone(),
            [database, schema, name]
                if *database == self.facts.database() && is_in(schema, name) =>
            {
                name.clone()
            }
            _ => return Err(undefined(&folded.join("."))),
        };
        if let Some(answer) = self.session_function(&name, function)? {
            *expr = answer;
            return Ok(());
        }
        if let Some(made) = self.json(&name, function)? {
            *expr = made;
            return Ok(());
        }
        if let Some(rewritten) = other_form(&name, function) {
            *expr = rewritten;
            return self.expr(expr);
        }
        // In a select list it makes rows; over the catalogs they are few.
        let rows = self.catalog && name == "unnest";
        if !rows && !self.registry.knows(&name) {
            return Err(undefined(&name));
        }
        if rows || self.registry.is_system(&name) {
            self.found.system_function = Some(name.clone());
        }
        function.name = quoted_name([name.as_str()]);
        let Function {
            name: _,
            uses_odbc_syntax,
            parameters,
            args,
            filter,
            null_treatment: _,
            over,
            within_group,
        } = function;
        refuse_if(*uses_odbc_syntax, "an ODBC escape")?;
        match parameters {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) | FunctionArguments::List(_) => {
                return Err(Error::not_supported("a parametric function"));
            }
        }
        let mut walk = |gate: &mut Self| {
            match args {
                FunctionArguments::None => {}
                FunctionArguments::Subquery(_) => {
                    return Err(Error::not_supported("a query as a function's argument"));
                }
                FunctionArguments::List(list) => gate.arguments(&name, list)?,
            }
            if let Some(filter) = filter {
                gate.expr(filter)?;
            }
            match over {
                Some(WindowType::WindowSpec(spec)) => {
                    gate.step()?;
                    gate.window(spec)?;
                }
                Some(WindowType::NamedWindow(name)) => fold(name),
                None => {}
            }
            gate.order_keys(within_group)
        };
        if self.registry.aggregate_udf(&name).is_some() || self.registry.window_udf(&name).is_some()
        {
            self.opaque(walk)
        } else {
            walk(self)
        }
    }

    /// Whether a bare name means a function: those of the gateway's own schema need it on the path.
    fn may_leave_schema_out(&self, name: &str) -> bool {
        !OWN.contains(&name) || self.facts.search_path().iter().any(|schema| schema == OWN_SCHEMA)
    }

    fn arguments(&mut self, function: &str, list: &mut FunctionArgumentList) -> Result<(), Error> {
        let last = list.args.len().saturating_sub(1);
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        for (place, argument) in list.args.iter_mut().enumerate() {
            // `coalesce` becomes a CASE, and so does a boolean that these write as text.
            let copies = match function {
                "coalesce" if place < last => 2,
                "concat" | "concat_ws" | "format" => 2,
                "regexp_like" => 4,
                _ => 1,
            };
            if self.row_argument(function, place, distinct, argument)? {
                continue;
            }
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    self.copied(copies, |gate| gate.expr(expr))?;
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                FunctionArg::Unnamed(
                    FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::WildcardWithOptions(_),
                ) => return Err(Error::not_supported("a whole row as an argument")),
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    return Err(Error::not_supported("named arguments"));
                }
            }
        }
        for clause in &mut list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => self.order_keys(keys)?,
                FunctionArgumentClause::IgnoreOrRespectNulls(_)
                | FunctionArgumentClause::Limit(_)
                | FunctionArgumentClause::OnOverflow(_)
                | FunctionArgumentClause::Having(_)
                | FunctionArgumentClause::Separator(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::JsonReturningClause(_) => {
                    return Err(Error::not_supported("this clause of a function's arguments"));
                }
            }
        }
        Ok(())
    }

    /// What the session knows without a query: keywords and functions without arguments.
    pub(super) fn session_constant(&self, name: &str) -> Option<Expr> {
        Some(match name {
            "current_user" | "session_user" | "user" | "current_role" => string(self.facts.user()),
            "current_catalog" | "current_database" => string(self.facts.database()),
            "current_schema" => self.current_schema(),
            "version" => string(self.facts.version()),
            _ => return None,
        })
    }

    /// The first schema of the search path that exists for the caller; the path's first otherwise,
    /// so that tools which ask for a default schema get a name.
    fn current_schema(&self) -> Expr {
        self.facts.first_schema().map_or_else(super::expr::null, string)
    }

    /// Calls that the session answers: a literal takes the call's place.
    fn session_function(&mut self, name: &str, function: &Function) -> Result<Option<Expr>, Error> {
        let arguments = match &function.args {
            FunctionArguments::None => &[],
            FunctionArguments::List(list) if list.clauses.is_empty() => list.args.as_slice(),
            FunctionArguments::List(_) | FunctionArguments::Subquery(_) => return Ok(None),
        };
        if arguments.is_empty() {
            // now() and its kin keep their zone; the local forms are plain timestamps in UTC.
            return Ok(match name {
                "current_timestamp"
                | "transaction_timestamp"
                | "statement_timestamp"
                | "clock_timestamp" => Some(call("now", Vec::new())),
                "localtimestamp" => Some(Expr::Cast {
                    kind: datafusion_sql::sqlparser::ast::CastKind::Cast,
                    expr: Box::new(call("now", Vec::new())),
                    data_type: DataType::Timestamp(
                        Some(6),
                        datafusion_sql::sqlparser::ast::TimezoneInfo::None,
                    ),
                    array: false,
                    format: None,
                }),
                "pg_backend_pid" => Some(number(&self.facts.backend_pid().to_string())),
                "pg_is_in_recovery" => Some(Expr::Value(
                    Value::Boolean(false)
                        .with_span(datafusion_sql::sqlparser::tokenizer::Span::empty()),
                )),
                _ => self.session_constant(name),
            });
        }
        if name == "current_setting" {
            // A computed name is looked up when the query runs, by the catalogs' function.
            let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) =
                arguments.first()
            else {
                return Ok(None);
            };
            let Value::SingleQuotedString(setting) = &value.value else {
                return Ok(None);
            };
            return match self.facts.setting(&setting.to_ascii_lowercase()) {
                Some(value) => Ok(Some(string(value))),
                None if arguments.len() > 1 => Ok(Some(super::expr::null())),
                None => Err(Error::new(
                    ErrorKind::UndefinedObject,
                    format!("unrecognized configuration parameter \"{setting}\""),
                )),
            };
        }
        Ok(None)
    }

    /// Casts to and from the types that stand for catalog objects, as calls.
    pub(super) fn registered_cast(
        &mut self,
        inner: &mut Expr,
        data_type: &DataType,
    ) -> Result<Option<Expr>, Error> {
        let target = match data_type {
            DataType::Regclass => "regclass".to_owned(),
            DataType::Custom(name, modifiers) if modifiers.is_empty() => {
                match parts(name)?.as_slice() {
                    [name] => name.clone(),
                    [schema, name] if schema == "pg_catalog" => name.clone(),
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        let text = matches!(&*inner, Expr::Value(value)
            if matches!(value.value, Value::SingleQuotedString(_)));
        let function = match (target.as_str(), text) {
            ("regclass", true) => "tg_regclass",
            ("regclass", false) => "tg_regclass_name",
            ("regtype", true) => "tg_regtype",
            ("regtype", false) => "tg_regtype_name",
            ("regnamespace", true) => "to_regnamespace",
            ("regnamespace", false) => "tg_regnamespace_name",
            ("regproc" | "regprocedure", true) => "to_regproc",
            ("regproc" | "regprocedure", false) => "tg_regproc_name",
            _ => return Ok(None),
        };
        // `'t'::regclass::oid` and `oid::regclass::text` walk through here too.
        self.found.system_function = Some(function.to_owned());
        self.expr(inner)?;
        let inner = std::mem::replace(inner, super::expr::null());
        Ok(Some(call(function, vec![inner])))
    }
}

/// Calls that are another expression: `date(x)`, `age(x)`, `mod(x, y)`, `ARRAY(SELECT …)`.
fn other_form(name: &str, function: &Function) -> Option<Expr> {
    let list = match &function.args {
        FunctionArguments::Subquery(query) if name == "array" => return super::array::query(query),
        FunctionArguments::List(list) if list.clauses.is_empty() => list.args.as_slice(),
        FunctionArguments::None | FunctionArguments::Subquery(_) | FunctionArguments::List(_) => {
            return None;
        }
    };
    let argument = match list {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => argument,
        [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(left)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(right)),
        ] if name == "mod" => {
            let nested = |expr: &Expr| Box::new(Expr::Nested(Box::new(expr.clone())));
            let op = BinaryOperator::Modulo;
            let rest = Expr::BinaryOp { left: nested(left), op, right: nested(right) };
            return Some(Expr::Nested(Box::new(rest)));
        }
        _ => return None,
    };
    match name {
        "date" => Some(Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(argument.clone()),
            data_type: DataType::Date,
            array: false,
            format: None,
        }),
        "age" => Some(call("age", vec![call("current_date", Vec::new()), argument.clone()])),
        _ => None,
    }
}

/// The error of a function that doesn't exist, or that nobody may call.
pub(super) fn undefined(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedFunction, format!("function \"{name}\" does not exist"))
        .with_hint("the gateway knows the functions listed in its documentation")
}

/// A plain call.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: datafusion_sql::sqlparser::ast::ObjectName(vec![
            datafusion_sql::sqlparser::ast::ObjectNamePart::Identifier(quoted(name)),
        ]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
