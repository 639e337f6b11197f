//! Random statements over `crm.*`, the same in each run of a seed.
//!
//! Every statement has one right result: it is either a set, or ordered by all of its columns.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Num,
    Text,
    Date,
    Time,
}

use Kind::{Date, Int, Num, Text, Time};

const KINDS: [Kind; 5] = [Int, Num, Text, Date, Time];

type Columns = &'static [(&'static str, Kind)];

const TABLES: [(&str, Columns); 3] = [
    (
        "customers",
        &[
            ("id", Int),
            ("tenant_id", Text),
            ("full_name", Text),
            ("email", Text),
            ("phone", Text),
            ("national_id", Text),
            ("country", Text),
            ("city", Text),
            ("birth_date", Date),
            ("created_at", Time),
        ],
    ),
    (
        "orders",
        &[
            ("id", Int),
            ("tenant_id", Text),
            ("customer_id", Int),
            ("amount", Num),
            ("currency", Text),
            ("status", Text),
            ("ordered_at", Time),
        ],
    ),
    ("tenants", &[("tenant_id", Text), ("tenant_name", Text), ("partner_id", Text)]),
];

/// A column in scope: how it is written, and its kind.
type Scope = Vec<(String, Kind)>;

/// One statement.
pub struct Query {
    pub sql: String,
    /// Whether the order of rows is fixed.
    pub ordered: bool,
}

/// Writes statements.
pub struct Generator {
    random: Random,
    aliases: usize,
    /// Whether whole rows are used as values.
    rows: bool,
}

/// A SELECT: its text, and the columns it yields.
struct Select {
    sql: String,
    columns: Vec<(String, Kind)>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), aliases: 0, rows: false }
    }

    /// One that uses whole rows, too, which only the embedded engine answers.
    pub fn with_rows(seed: u64) -> Self {
        Self { rows: true, ..Self::new(seed) }
    }

    /// The next statement.
    pub fn query(&mut self) -> Query {
        self.aliases = 0;
        let select = match self.random.below(10) {
            0 | 1 => self.set_operation(),
            2 | 3 => self.with_cte(),
            4 | 5 => self.grouped(),
            6 => self.windowed(),
            _ => self.plain(2),
        };
        let mut sql = select.sql;
        let ordered = self.random.one_in(3);
        if ordered {
            let places: Vec<String> = (1..=select.columns.len())
                .map(|place| match self.random.below(3) {
                    0 => format!("{place} DESC"),
                    _ => place.to_string(),
                })
                .collect();
            sql.push_str(&format!(" ORDER BY {}", places.join(", ")));
            if self.random.one_in(2) {
                sql.push_str(&format!(" LIMIT {}", 1 + self.random.below(20)));
                if self.random.one_in(3) {
                    sql.push_str(&format!(" OFFSET {}", self.random.below(10)));
                }
            }
        }
        Query { sql, ordered }
    }

    fn alias(&mut self, prefix: &str) -> String {
        self.aliases += 1;
        format!("{prefix}{}", self.aliases)
    }

    /// A table with an alias, and its columns.
    fn table(&mut self) -> (String, Scope) {
        let (name, columns) = *self.random.pick(&TABLES);
        let alias = self.alias("t");
        let scope = columns.iter().map(|(c, kind)| (format!("{alias}.{c}"), *kind)).collect();
        let cased = if self.random.one_in(8) { name.to_uppercase() } else { name.to_owned() };
        (format!("crm.{cased} {alias}"), scope)
    }

    /// A FROM clause.
    fn from(&mut self, depth: usize) -> (String, Scope) {
        match self.random.below(10) {
            0 | 1 if depth > 0 => {
                let select = self.plain(depth - 1);
                let alias = self.alias("d");
                let scope = select
                    .columns
                    .iter()
                    .map(|(c, kind)| (format!("{alias}.{c}"), *kind))
                    .collect();
                (format!("({}) {alias}", select.sql), scope)
            }
            2..=4 => self.join(),
            5 => self.lateral(),
            6 if self.random.one_in(2) => self.cross(),
            6 => self.natural(),
            _ => self.table(),
        }
    }

    /// A table beside a subquery that sees its rows.
    fn lateral(&mut self) -> (String, Scope) {
        let (left, mut scope) = self.table();
        let (right, inner) = self.table();
        let (a, b) = self.joinable(&scope, &inner);
        let alias = self.alias("l");
        let kind = *self.random.pick(&KINDS);
        // Sees both sides, or is one row of the other.
        let both: Scope = scope.iter().chain(&inner).cloned().collect();
        let (item, rest) = if self.random.one_in(2) {
            (self.expression(kind, &both, 1), String::new())
        } else {
            let value = self.expression(kind, &inner, 1);
            (format!("max({value})"), format!(" AND {}", self.condition(&inner, 0)))
        };
        let (kind_of_join, on) = match self.random.below(3) {
            0 => ("LEFT JOIN", " ON TRUE"),
            1 => ("JOIN", " ON TRUE"),
            _ => ("CROSS JOIN", ""),
        };
        let sql = format!(
            "{left} {kind_of_join} LATERAL (SELECT {item} AS v FROM {right} WHERE {b} = {a}{rest}) {alias}{on}"
        );
        scope.push((format!("{alias}.v"), kind));
        (sql, scope)
    }

    /// All pairs of the few rows of one table and those of another.
    fn cross(&mut self) -> (String, Scope) {
        let (name, columns) = TABLES[2];
        let alias = self.alias("t");
        let mut scope: Scope =
            columns.iter().map(|(c, kind)| (format!("{alias}.{c}"), *kind)).collect();
        let (right, other) = self.table();
        scope.extend(other);
        let comma = if self.random.one_in(3) { ", " } else { " CROSS JOIN " };
        (format!("crm.{name} {alias}{comma}{right}"), scope)
    }

    /// A whole row in scope, as a text.
    fn row(&mut self, scope: &Scope) -> Option<String> {
        let (column, _) = self.random.pick(scope);
        let (alias, _) = column.split_once('.')?;
        Some(format!("CAST({alias} AS text)"))
    }

    fn join(&mut self) -> (String, Scope) {
        let (left, mut scope) = self.table();
        let (right, other) = self.table();
        let kind = *self.random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        // Equality first, so that the join is no cross product and every kind of join can do it.
        let (a, b) = self.joinable(&scope, &other);
        let mut on = format!("{a} = {b}");
        if kind != "FULL JOIN" && self.random.one_in(3) {
            let both: Scope = scope.iter().chain(&other).cloned().collect();
            on.push_str(&format!(" AND {}", self.condition(&both, 1)));
        }
        scope.extend(other);
        (format!("{left} {kind} {right} ON {on}"), scope)
    }

    /// Two columns that relate two tables.
    fn joinable(&mut self, left: &Scope, right: &Scope) -> (String, String) {
        let named = |scope: &Scope, name: &str| {
            scope.iter().find(|(c, _)| c.ends_with(name)).map(|(c, _)| c.clone())
        };
        for (a, b) in [(".customer_id", ".id"), (".id", ".customer_id"), (".id", ".id")] {
            if let (Some(a), Some(b)) = (named(left, a), named(right, b))
                && !self.random.one_in(4)
            {
                return (a, b);
            }
        }
        (named(left, ".tenant_id").unwrap(), named(right, ".tenant_id").unwrap())
    }

    fn natural(&mut self) -> (String, Scope) {
        let natural = self.random.one_in(2);
        let (a, b) = (self.alias("t"), self.alias("t"));
        let join = if natural {
            format!("crm.orders {a} NATURAL JOIN crm.tenants {b}")
        } else {
            format!("crm.orders {a} JOIN crm.tenants {b} USING (tenant_id)")
        };
        let scope = vec![
            ("tenant_id".to_owned(), Text),
            (format!("{a}.id"), Int),
            (format!("{a}.amount"), Num),
            (format!("{b}.tenant_name"), Text),
            ("status".to_owned(), Text),
        ];
        (join, scope)
    }

    fn plain(&mut self, depth: usize) -> Select {
        let (from, scope) = self.from(depth);
        let count = 1 + self.random.below(4);
        let mut columns = Vec::new();
        let mut items = Vec::new();
        for _ in 0..count {
            let kind = *self.random.pick(&KINDS);
            let name = self.alias("c");
            items.push(format!("{} AS {name}", self.expression(kind, &scope, 2)));
            columns.push((name, kind));
        }
        let distinct = if self.random.one_in(5) { "DISTINCT " } else { "" };
        let filter = if self.random.one_in(4) {
            String::new()
        } else {
            format!(" WHERE {}", self.condition(&scope, depth.min(2)))
        };
        Select {
            sql: format!("SELECT {distinct}{} FROM {from}{filter}", items.join(", ")),
            columns,
        }
    }

    fn grouped(&mut self) -> Select {
        let (from, scope) = self.from(1);
        let kind = *self.random.pick(&KINDS);
        let key = self.expression(kind, &scope, 1);
        let mut items = Vec::new();
        let mut columns = Vec::new();
        let keyed = !self.random.one_in(4);
        if keyed {
            items.push(format!("{key} AS k"));
            columns.push(("k".to_owned(), kind));
        }
        for _ in 0..=self.random.below(3) {
            let name = self.alias("a");
            let (aggregate, kind) = self.aggregate(&scope);
            items.push(format!("{aggregate} AS {name}"));
            columns.push((name, kind));
        }
        let filter = if self.random.one_in(2) {
            format!(" WHERE {}", self.condition(&scope, 1))
        } else {
            String::new()
        };
        let sets = keyed && self.random.one_in(4);
        let group = match (keyed, sets) {
            (true, true) => self.grouping_sets(&key, kind, &scope, &mut items, &mut columns),
            (true, false) => " GROUP BY 1".to_owned(),
            (false, _) => String::new(),
        };
        let having = match self.random.below(3) {
            0 if keyed => format!(" HAVING count(*) > {}", self.random.below(6)),
            1 if keyed => {
                let (aggregate, kind) = self.aggregate(&scope);
                let bound = self.literal(kind);
                format!(" HAVING {aggregate} <> {bound}")
            }
            _ => String::new(),
        };
        Select {
            sql: format!("SELECT {} FROM {from}{filter}{group}{having}", items.join(", ")),
            columns,
        }
    }

    /// Groups by several sets of keys: the key, and a column.
    fn grouping_sets(
        &mut self,
        key: &str,
        kind: Kind,
        scope: &Scope,
        items: &mut Vec<String>,
        columns: &mut Vec<(String, Kind)>,
    ) -> String {
        let other = *self.random.pick(&KINDS);
        let second = self.column(other, scope);
        // A constant isn't a key in PostgreSQL.
        let (Some(second), Some(first)) = (second, self.column(kind, scope)) else {
            return " GROUP BY 1".to_owned();
        };
        if first == second || first == *key {
            return " GROUP BY 1".to_owned();
        }
        items[0] = format!("{first} AS k");
        items.push(format!("{second} AS g"));
        columns.push(("g".to_owned(), other));
        match self.random.below(4) {
            0 => format!(" GROUP BY ROLLUP ({first}, {second})"),
            1 => format!(" GROUP BY CUBE ({first}, {second})"),
            2 => format!(" GROUP BY GROUPING SETS (({first}, {second}), ({second}), ())"),
            _ => {
                items.push(format!("grouping({second}) AS gr"));
                columns.push(("gr".to_owned(), Int));
                format!(" GROUP BY GROUPING SETS (({first}), ({second}))")
            }
        }
    }

    fn aggregate(&mut self, scope: &Scope) -> (String, Kind) {
        match self.random.below(8) {
            0 => ("count(*)".to_owned(), Int),
            1 => {
                let kind = *self.random.pick(&KINDS);
                (format!("count(DISTINCT {})", self.expression(kind, scope, 1)), Int)
            }
            2 => (format!("sum({})", self.expression(Num, scope, 1)), Num),
            3 => (format!("avg({})", self.expression(Num, scope, 1)), Num),
            4 => {
                let condition = self.condition(scope, 0);
                (format!("count(*) FILTER (WHERE {condition})"), Int)
            }
            5 => {
                let kind = *self.random.pick(&KINDS);
                (format!("max({})", self.expression(kind, scope, 1)), kind)
            }
            6 => {
                let condition = self.condition(scope, 0);
                (format!("bool_or({condition})::text"), Text)
            }
            _ => {
                let kind = *self.random.pick(&KINDS);
                (format!("min({})", self.expression(kind, scope, 1)), kind)
            }
        }
    }

    fn windowed(&mut self) -> Select {
        let alias = self.alias("t");
        let (name, columns) = TABLES[self.random.below(2)];
        let scope: Scope =
            columns.iter().map(|(c, kind)| (format!("{alias}.{c}"), *kind)).collect();
        let kind = *self.random.pick(&KINDS);
        let part = self.expression(Text, &scope, 1);
        let order = format!("{alias}.id");
        let value = self.expression(kind, &scope, 1);
        let number = self.expression(Num, &scope, 0);
        let window = format!("(PARTITION BY {part} ORDER BY {order})");
        let (function, yields) = match self.random.below(6) {
            0 => (format!("row_number() OVER {window}"), Int),
            1 => (format!("lag({value}) OVER {window}"), kind),
            2 => (format!("sum({number}) OVER {window}"), Num),
            3 => (format!("count(*) OVER (PARTITION BY {part})"), Int),
            4 => (format!("first_value({value}) OVER {window}"), kind),
            _ => (format!("rank() OVER (ORDER BY {part})"), Int),
        };
        let filter = if self.random.one_in(2) {
            format!(" WHERE {}", self.condition(&scope, 1))
        } else {
            String::new()
        };
        Select {
            sql: format!("SELECT {order} AS k, {function} AS w FROM crm.{name} {alias}{filter}"),
            columns: vec![("k".to_owned(), Int), ("w".to_owned(), yields)],
        }
    }

    fn set_operation(&mut self) -> Select {
        let kinds: Vec<Kind> =
            (0..=self.random.below(2)).map(|_| *self.random.pick(&KINDS)).collect();
        let names: Vec<String> = kinds.iter().map(|_| self.alias("c")).collect();
        let leg = |this: &mut Self| {
            let (from, scope) = this.from(0);
            let items: Vec<String> = kinds
                .iter()
                .zip(&names)
                .map(|(kind, name)| format!("{} AS {name}", this.expression(*kind, &scope, 1)))
                .collect();
            let filter = this.condition(&scope, 1);
            format!("SELECT {} FROM {from} WHERE {filter}", items.join(", "))
        };
        let mut sql = leg(self);
        for _ in 0..=self.random.below(2) {
            let operators =
                ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"];
            let operator = *self.random.pick(&operators);
            sql = format!("{sql} {operator} {}", leg(self));
        }
        Select { sql, columns: names.into_iter().zip(kinds).collect() }
    }

    fn with_cte(&mut self) -> Select {
        let inner = self.plain(1);
        // A CTE may be called like a table, which it then hides.
        let name = *self.random.pick(&["x", "customers", "orders", "salaries", "tenants"]);
        let alias = self.alias("w");
        let mut scope: Scope =
            inner.columns.iter().map(|(c, kind)| (format!("{alias}.{c}"), *kind)).collect();
        let mut from = format!("{name} {alias}");
        if self.random.one_in(3) {
            let (table, other) = self.table();
            let condition = match (
                scope.iter().find(|(_, kind)| *kind == Int),
                other.iter().find(|(_, kind)| *kind == Int),
            ) {
                (Some((a, _)), Some((b, _))) => format!("{a} = {b}"),
                _ => {
                    let text = other.iter().find(|(_, kind)| *kind == Text).unwrap().0.clone();
                    format!("{text} = {}", self.expression(Text, &scope, 0))
                }
            };
            from = format!("{from} JOIN {table} ON {condition}");
            scope.extend(other);
        }
        let kind = *self.random.pick(&KINDS);
        let item = self.expression(kind, &scope, 1);
        let filter = self.condition(&scope, 1);
        Select {
            sql: format!(
                "WITH {name} AS ({}) SELECT {item} AS r FROM {from} WHERE {filter}",
                inner.sql
            ),
            columns: vec![("r".to_owned(), kind)],
        }
    }

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Int => (self.random.below(60) as i64 - 5).to_string(),
            Num => format!("{}.{}", self.random.below(150), 1 + self.random.below(9)),
            Text => {
                let texts = [
                    "acme",
                    "globex",
                    "US",
                    "DE",
                    "paid",
                    "open",
                    "Berlin",
                    "CANARY_STATUS",
                    "Acme Person 7",
                    "C***@acme.test",
                    "",
                    "a",
                    "EUR",
                    "p1",
                ];
                format!("'{}'", self.random.pick(&texts))
            }
            Date => {
                format!("DATE '19{}-0{}-15'", 60 + self.random.below(20), 1 + self.random.below(9))
            }
            Time => {
                let year = 2024 + self.random.below(2);
                format!("TIMESTAMP '{year}-0{}-02 03:04:05'", 1 + self.random.below(3))
            }
        }
    }

    fn column(&mut self, kind: Kind, scope: &Scope) -> Option<String> {
        let fitting: Vec<&String> =
            scope.iter().filter(|(_, k)| *k == kind).map(|(c, _)| c).collect();
        (!fitting.is_empty()).then(|| (*self.random.pick(&fitting)).clone())
    }

    /// An expression of a kind.
    fn expression(&mut self, kind: Kind, scope: &Scope, depth: usize) -> String {
        if depth == 0 || self.random.one_in(3) {
            let column = self.column(kind, scope);
            return match column {
                Some(column) if !self.random.one_in(6) => column,
                Some(_) | None => self.literal(kind),
            };
        }
        if self.random.one_in(5) {
            let condition = self.condition(scope, 0);
            let (a, b) =
                (self.expression(kind, scope, depth - 1), self.expression(kind, scope, depth - 1));
            return format!("CASE WHEN {condition} THEN {a} ELSE {b} END");
        }
        if self.random.one_in(8) {
            let (a, b) =
                (self.expression(kind, scope, depth - 1), self.expression(kind, scope, depth - 1));
            let function = *self.random.pick(&["coalesce", "nullif", "greatest", "least"]);
            return format!("{function}({a}, {b})");
        }
        if self.rows
            && kind == Text
            && self.random.one_in(12)
            && let Some(row) = self.row(scope)
        {
            return row;
        }
        let mut deeper = |kind| self.expression(kind, scope, depth - 1);
        match kind {
            Int => {
                let (a, b, text) = (deeper(Int), deeper(Int), deeper(Text));
                match self.random.below(9) {
                    0 => format!("({a} + {b})"),
                    1 => format!("({a} - {b})"),
                    2 => format!("({a} * {b})"),
                    3 => format!("length({text})"),
                    4 => format!("abs({a})"),
                    5 => format!("({a} % 7)"),
                    6 => format!("({a} / 3)"),
                    // Fails on what equals, and only there.
                    7 => format!("({a} / ({b} - 41))"),
                    _ => format!("CAST({a} AS bigint)"),
                }
            }
            Num => {
                let (a, b, int) = (deeper(Num), deeper(Num), deeper(Int));
                match self.random.below(7) {
                    0 => format!("({a} + {b})"),
                    1 => format!("({a} * {int})"),
                    2 => format!("({a} - {int})"),
                    3 => format!("round({a})"),
                    4 => format!("abs({a})"),
                    5 => format!("({a} / 4)"),
                    _ => format!("CAST({int} AS numeric(18, 2))"),
                }
            }
            Text => {
                let (a, b, int) = (deeper(Text), deeper(Text), deeper(Int));
                let n = 1 + self.random.below(6);
                match self.random.below(9) {
                    0 => format!("upper({a})"),
                    1 => format!("lower({a})"),
                    2 => format!("({a} || {b})"),
                    3 => format!("substring({a} FROM {n} FOR 3)"),
                    4 => format!("CAST({int} AS text)"),
                    5 => format!("left({a}, {n})"),
                    6 => format!("replace({a}, 'a', {b})"),
                    7 => format!("trim({a})"),
                    _ => format!("concat({a}, '-', {b})"),
                }
            }
            Date => {
                let (date, time) = (deeper(Date), deeper(Time));
                match self.random.below(2) {
                    0 => format!("CAST({time} AS date)"),
                    _ => date,
                }
            }
            Time => {
                let (date, time) = (deeper(Date), deeper(Time));
                match self.random.below(4) {
                    0 => format!("date_trunc('month', {time})"),
                    1 => format!("CAST({date} AS timestamp)"),
                    2 => format!("({time} + INTERVAL '1 day')"),
                    _ => time,
                }
            }
        }
    }

    /// A condition.
    fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        if depth > 0 && self.random.one_in(3) {
            let (a, b) = (self.condition(scope, depth - 1), self.condition(scope, depth - 1));
            return match self.random.below(5) {
                0 | 1 => format!("({a} AND {b})"),
                2 | 3 => format!("({a} OR {b})"),
                _ => format!("NOT ({a})"),
            };
        }
        if depth > 0 && self.random.one_in(5) {
            return self.subquery(scope);
        }
        let kind = *self.random.pick(&KINDS);
        let (a, b) = (self.expression(kind, scope, 1), self.expression(kind, scope, 1));
        match self.random.below(10) {
            0 => format!("{a} IS NULL"),
            1 => format!("{a} IS NOT NULL"),
            2 => format!("{a} IS DISTINCT FROM {b}"),
            3 => format!("{a} IN ({b}, {})", self.literal(kind)),
            4 => format!("{a} BETWEEN {} AND {b}", self.literal(kind)),
            5 => {
                let (text, start) = (self.expression(Text, scope, 1), self.random.below(4));
                let pattern = ["%a%", "A%", "%1", "_cme%"][start];
                let not = if self.random.one_in(3) { "NOT " } else { "" };
                format!("{text} {not}LIKE '{pattern}'")
            }
            _ => format!("{a} {} {b}", self.random.pick(&["=", "<>", "<", "<=", ">", ">="])),
        }
    }

    fn subquery(&mut self, scope: &Scope) -> String {
        let (table, inner) = self.table();
        let not = if self.random.one_in(3) { "NOT " } else { "" };
        let kind = if inner.iter().any(|(_, kind)| *kind == Int) { Int } else { Text };
        let (Some(outer), Some(column)) = (self.column(kind, scope), self.column(kind, &inner))
        else {
            let condition = self.condition(&inner, 0);
            return format!("{not}EXISTS (SELECT 1 FROM {table} WHERE {condition})");
        };
        let condition = self.condition(&inner, 0);
        if self.random.one_in(2) {
            format!("{not}EXISTS (SELECT 1 FROM {table} WHERE {column} = {outer} AND {condition})")
        } else {
            format!("{outer} {not}IN (SELECT {column} FROM {table} WHERE {condition})")
        }
    }
}
