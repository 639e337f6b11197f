//! Mutations of statements by their tokens: most results still parse, so that they get past the
//! parser and reach what decides.

/// SplitMix64: a seed repeats everything.
pub struct Noise(u64);

impl Noise {
    /// The noise of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// One of `all`.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T], or: &'a T) -> &'a T {
        all.get(self.below(all.len())).copied().unwrap_or(or)
    }
}

/// Words that matter to the gate, to the planner and to the catalog of the fuzzed world.
pub const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "FETCH FIRST 1 ROWS ONLY",
    "WITH",
    "WITH RECURSIVE",
    "AS",
    "AS MATERIALIZED",
    "UNION",
    "UNION ALL",
    "EXCEPT",
    "INTERSECT",
    "VALUES (1, 'a')",
    "TABLE",
    "LATERAL",
    "JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "CROSS JOIN",
    "NATURAL JOIN",
    "ON",
    "USING (id)",
    "DISTINCT",
    "DISTINCT ON (id)",
    "ALL",
    "ANY",
    "SOME",
    "EXISTS",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "SIMILAR TO",
    "IS NULL",
    "IS NOT DISTINCT FROM",
    "IS UNKNOWN",
    "AND",
    "OR",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST(",
    "::",
    "::int",
    "::text",
    "::regclass",
    "::oid",
    "::date",
    "::interval",
    "::numeric(10,2)",
    "::text[]",
    "::name",
    "::jsonb",
    "OVER (PARTITION BY tenant_id ORDER BY id)",
    "FILTER (WHERE id > 0)",
    "WITHIN GROUP (ORDER BY id)",
    "WITH ORDINALITY",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "GROUPING SETS ((id), ())",
    "ROLLUP (id)",
    "CUBE (id, tenant_id)",
    "FOR UPDATE",
    "TABLESAMPLE SYSTEM (1)",
    "COLLATE \"C\"",
    "AT TIME ZONE 'UTC'",
    "ESCAPE '\\'",
    "INTERVAL '1 day'",
    "DATE '2025-01-01'",
    "E'\\x41'",
    "U&'\\0041'",
    "$$x$$",
    "B'1'",
    "X'ff'",
    "1e308",
    "0x7f",
    "1_000",
    "-9223372036854775808",
    "$1",
    "$2",
    "$65536",
    "NULL",
    "TRUE",
    "*",
    "t.*",
    "(",
    ")",
    ",",
    ";",
    ".",
    "[1]",
    "[1:2]",
    "->",
    "->>",
    "@>",
    "||",
    "~",
    "!~*",
    "+",
    "-",
    "/",
    "%",
    "^",
    "=",
    "<>",
    "<=",
    "/* c */",
    "-- c\n",
    "\"",
    "'",
    "\u{e9}",
    "\u{1f600}",
    "\u{0}",
    "crm.customers",
    "crm.orders",
    "crm.tenants",
    "open.kinds",
    "customers c",
    "orders o",
    "public.orders",
    "tollgate.crm.orders",
    "hidden_hr.hidden_salaries",
    "hidden_health.hidden_visits",
    "crm.hidden_map",
    "hidden_income",
    "hidden_flag",
    "hidden_salary",
    "c.hidden_income",
    "\"hidden_map\"",
    "hidden_map",
    "id",
    "tenant_id",
    "full_name",
    "email",
    "phone",
    "national_id",
    "birth_date",
    "created_at",
    "amount",
    "status",
    "ordered_at",
    "c.id",
    "o.id",
    "big",
    "small",
    "flag",
    "words",
    "numbers",
    "span",
    "at",
    "at_zone",
    "body",
    "price",
    "pg_catalog.pg_class",
    "pg_catalog.pg_attribute",
    "pg_namespace",
    "pg_type",
    "information_schema.columns",
    "information_schema.tables",
    "relname",
    "attname",
    "oid",
    "ctid",
    "tableoid",
    "xmin",
    "count(*)",
    "sum(amount)",
    "max(email)",
    "array_agg(id)",
    "string_agg(email, ',')",
    "row_number()",
    "lag(id)",
    "coalesce(",
    "lower(",
    "substring(email from 1 for 2)",
    "position('a' in email)",
    "extract(year from created_at)",
    "trim(both ' ' from email)",
    "generate_series(1, 10)",
    "unnest(words)",
    "now()",
    "current_user",
    "current_date",
    "version()",
    "current_setting('role')",
    "pg_sleep(1)",
    "set_config('role','x',true)",
    "pg_read_file('x')",
    "row(1, 2)",
    "array[1, 2]",
    "to_char(created_at, 'YYYY')",
    "regexp_replace(email, '(a+)+$', '')",
    "date_trunc('month', created_at)",
    "nullif(id, 0)",
    "greatest(id, 1)",
    "has_table_privilege('crm.orders', 'select')",
];

/// The tokens of a text: whatever isn't a word, a number or a quoted text is one character.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = match first {
            '\'' | '"' => {
                rest.char_indices().skip(1).find(|(_, c)| *c == first).map(|(at, _)| at + 1)
            }
            c if word(c) => rest.find(|c: char| !word(c)),
            c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()),
            c => Some(c.len_utf8()),
        };
        let (token, tail) = rest.split_at(end.unwrap_or(rest.len()));
        tokens.push(token);
        rest = tail;
    }
    tokens
}

/// A range of at most `most` tokens.
fn range(noise: &mut Noise, length: usize, most: usize) -> std::ops::Range<usize> {
    let start = noise.below(length);
    let end = start + 1 + noise.below(most);
    start.min(length)..end.min(length)
}

/// The longest mutation, in bytes.
pub const LONGEST: usize = 8192;

/// Changes a statement in one to four places, with parts of `donors` and words that matter.
pub fn mutate(text: &str, donors: &[String], noise: &mut Noise) -> String {
    let mut parts: Vec<String> = tokens(text).into_iter().map(str::to_owned).collect();
    for _ in 0..=noise.below(4) {
        let at = noise.below(parts.len() + 1);
        match noise.below(11) {
            0 => {
                let range = range(noise, parts.len(), 4);
                parts.drain(range);
            }
            1 => {
                let copy = parts[range(noise, parts.len(), 8)].to_vec();
                parts.splice(at..at, copy);
            }
            2 if !parts.is_empty() => {
                let (a, b) = (noise.below(parts.len()), noise.below(parts.len()));
                parts.swap(a, b);
            }
            3 | 4 => {
                let range = range(noise, parts.len(), 1);
                let word = noise.pick(WORDS, "").to_owned();
                parts.splice(range, [word]);
            }
            5 => {
                let word = format!(" {} ", noise.pick(WORDS, ""));
                parts.insert(at, word);
            }
            6 | 7 => {
                let donor = donors.get(noise.below(donors.len())).map_or("", String::as_str);
                let theirs = tokens(donor);
                let taken: Vec<String> = theirs[range(noise, theirs.len(), 24)]
                    .iter()
                    .map(|part| (*part).to_owned())
                    .collect();
                let gone = range(noise, parts.len(), 3);
                parts.splice(gone, taken);
            }
            8 => {
                // A part as a subquery, as an argument, or just in parentheses, maybe many.
                let range = range(noise, parts.len(), 12);
                let times = 1 << noise.below(8);
                let open = noise
                    .pick(&["(", "(SELECT ", "EXISTS (SELECT ", "coalesce(", "NOT (", "-("], "(");
                parts.insert(range.end, ")".repeat(times));
                parts.insert(range.start, open.repeat(times));
            }
            9 => {
                // A chain: as deep as it is long.
                let part = parts[range(noise, parts.len(), 5)].concat();
                let glue = noise.pick(&[" + ", " AND ", ", ", " UNION ALL ", " || ", "."], ", ");
                let link = format!("{glue}{part}");
                let times = (1 << noise.below(9)).min(LONGEST / link.len());
                parts.insert(at, link.repeat(times));
            }
            _ => {
                if let Some(part) = parts.get_mut(at) {
                    *part = match noise.below(4) {
                        0 => part.to_uppercase(),
                        1 => format!("\"{part}\""),
                        2 => format!("'{part}'"),
                        _ => part.chars().rev().collect(),
                    };
                }
            }
        }
    }
    let mut text = parts.concat();
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
