//! The rows of `pg_type`, and how types are named.

/// One type, with the facts that `pg_type` adds to the gateway's own.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    pub(super) length: i16,
    /// `typtype`, `typcategory`, `typalign` and `typstorage`, a letter each.
    letters: &'static str,
    pub(super) element: u32,
    pub(super) array: u32,
    /// Input, output, receive and send function.
    pub(super) procs: [u32; 4],
    pub(super) collation: u32,
    display: &'static str,
}

impl Type {
    /// `typtype`.
    pub(super) fn kind(&self) -> &str {
        self.letters.get(0..1).unwrap_or_default()
    }

    /// `typcategory`.
    pub(super) fn category(&self) -> &str {
        self.letters.get(1..2).unwrap_or_default()
    }

    /// `typalign`.
    pub(super) fn align(&self) -> &str {
        self.letters.get(2..3).unwrap_or_default()
    }

    /// `typstorage`.
    pub(super) fn storage(&self) -> &str {
        self.letters.get(3..4).unwrap_or_default()
    }

    /// `typbyval`, as on a 64-bit machine.
    pub(super) fn by_value(&self) -> bool {
        matches!(self.length, 1 | 2 | 4 | 8)
    }

    /// `typispreferred`.
    pub(super) fn preferred(&self) -> bool {
        matches!(self.name, "bool" | "text" | "oid" | "float8" | "timestamptz" | "interval")
    }
}

#[expect(clippy::too_many_arguments, reason = "one line of a table")]
const fn typ(
    oid: u32,
    name: &'static str,
    length: i16,
    letters: &'static str,
    element: u32,
    array: u32,
    procs: [u32; 4],
    collation: u32,
    display: &'static str,
) -> Type {
    Type { oid, name, length, letters, element, array, procs, collation, display }
}

/// The type with this oid.
pub(super) fn by_oid(oid: u32) -> Option<&'static Type> {
    TYPES.iter().find(|t| t.oid == oid)
}

/// The type of that name as users write it: `int4`, `integer`, `text[]`, `"char"`, `numeric(10,2)`.
pub(super) fn by_name(name: &str) -> Option<&'static Type> {
    let name = name.trim();
    let lower = name.to_ascii_lowercase();
    let name = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    if let Some(element) = name.strip_suffix("[]") {
        let array = by_name(element)?.array;
        return by_oid(array);
    }
    let plain = match (name.find('('), name.find(')')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}{}", name.get(..open)?.trim_end(), name.get(close + 1..)?)
        }
        _ => name.to_owned(),
    };
    let plain = match plain.as_str() {
        "int" => "integer",
        "decimal" => "numeric",
        "float" => "double precision",
        // Unquoted, char is character; quoted, it is the internal one-byte type.
        "char" => "character",
        "\"char\"" => "char",
        other => other,
    };
    TYPES.iter().find(|t| t.display == plain).or_else(|| TYPES.iter().find(|t| t.name == plain))
}

/// The name of a type as PostgreSQL's `format_type` writes it; `modifier` -1 for none.
pub(super) fn format_type(oid: u32, modifier: i32) -> String {
    let Some(found) = by_oid(oid) else {
        return if oid == 0 { "-".to_owned() } else { "???".to_owned() };
    };
    if modifier < 0 {
        return found.display.to_owned();
    }
    let (element, brackets) = match by_oid(found.element) {
        Some(element) if found.category() == "A" => (element, "[]"),
        _ => (found, ""),
    };
    let bits = modifier.saturating_sub(4);
    let name = element.display;
    let text = match element.name {
        "numeric" if modifier >= 4 => {
            format!("numeric({},{})", (bits >> 16) & 0xffff, bits & 0x7ff)
        }
        "varchar" | "bpchar" if modifier >= 4 => format!("{name}({bits})"),
        "timestamp" | "timestamptz" | "time" => match name.split_once(' ') {
            Some((head, tail)) => format!("{head}({modifier}) {tail}"),
            None => name.to_owned(),
        },
        _ => name.to_owned(),
    };
    format!("{text}{brackets}")
}

/// All types of `pg_type`.
#[rustfmt::skip]
pub(super) const TYPES: &[Type] = &[
    typ(16, "bool", 1, "bBcp", 0, 1000, [1242, 1243, 2436, 2437], 0, "boolean"),
    typ(17, "bytea", -1, "bUix", 0, 1001, [1244, 31, 2412, 2413], 0, "bytea"),
    typ(18, "char", 1, "bZcp", 0, 1002, [1245, 33, 2434, 2435], 0, "\"char\""),
    typ(19, "name", 64, "bScp", 18, 1003, [34, 35, 2422, 2423], 950, "name"),
    typ(20, "int8", 8, "bNdp", 0, 1016, [460, 461, 2408, 2409], 0, "bigint"),
    typ(21, "int2", 2, "bNsp", 0, 1005, [38, 39, 2404, 2405], 0, "smallint"),
    typ(22, "int2vector", -1, "bAip", 21, 1006, [40, 41, 2410, 2411], 0, "int2vector"),
    typ(23, "int4", 4, "bNip", 0, 1007, [42, 43, 2406, 2407], 0, "integer"),
    typ(24, "regproc", 4, "bNip", 0, 1008, [44, 45, 2444, 2445], 0, "regproc"),
    typ(25, "text", -1, "bSix", 0, 1009, [46, 47, 2414, 2415], 100, "text"),
    typ(26, "oid", 4, "bNip", 0, 1028, [1798, 1799, 2418, 2419], 0, "oid"),
    typ(28, "xid", 4, "bUip", 0, 1011, [50, 51, 2440, 2441], 0, "xid"),
    typ(30, "oidvector", -1, "bAip", 26, 1013, [54, 55, 2420, 2421], 0, "oidvector"),
    typ(114, "json", -1, "bUix", 0, 199, [321, 322, 323, 324], 0, "json"),
    typ(194, "pg_node_tree", -1, "bZix", 0, 0, [195, 196, 197, 198], 100, "pg_node_tree"),
    typ(199, "_json", -1, "bAix", 114, 0, [750, 751, 2400, 2401], 0, "json[]"),
    typ(700, "float4", 4, "bNip", 0, 1021, [200, 201, 2424, 2425], 0, "real"),
    typ(701, "float8", 8, "bNdp", 0, 1022, [214, 215, 2426, 2427], 0, "double precision"),
    typ(705, "unknown", -2, "pXcp", 0, 0, [109, 110, 2416, 2417], 0, "unknown"),
    typ(1000, "_bool", -1, "bAix", 16, 0, [750, 751, 2400, 2401], 0, "boolean[]"),
    typ(1001, "_bytea", -1, "bAix", 17, 0, [750, 751, 2400, 2401], 0, "bytea[]"),
    typ(1002, "_char", -1, "bAix", 18, 0, [750, 751, 2400, 2401], 0, "\"char\"[]"),
    typ(1003, "_name", -1, "bAix", 19, 0, [750, 751, 2400, 2401], 950, "name[]"),
    typ(1005, "_int2", -1, "bAix", 21, 0, [750, 751, 2400, 2401], 0, "smallint[]"),
    typ(1006, "_int2vector", -1, "bAix", 22, 0, [750, 751, 2400, 2401], 0, "int2vector[]"),
    typ(1007, "_int4", -1, "bAix", 23, 0, [750, 751, 2400, 2401], 0, "integer[]"),
    typ(1008, "_regproc", -1, "bAix", 24, 0, [750, 751, 2400, 2401], 0, "regproc[]"),
    typ(1009, "_text", -1, "bAix", 25, 0, [750, 751, 2400, 2401], 100, "text[]"),
    typ(1011, "_xid", -1, "bAix", 28, 0, [750, 751, 2400, 2401], 0, "xid[]"),
    typ(1013, "_oidvector", -1, "bAix", 30, 0, [750, 751, 2400, 2401], 0, "oidvector[]"),
    typ(1014, "_bpchar", -1, "bAix", 1042, 0, [750, 751, 2400, 2401], 100, "character[]"),
    typ(1015, "_varchar", -1, "bAix", 1043, 0, [750, 751, 2400, 2401], 100, "character varying[]"),
    typ(1016, "_int8", -1, "bAdx", 20, 0, [750, 751, 2400, 2401], 0, "bigint[]"),
    typ(1021, "_float4", -1, "bAix", 700, 0, [750, 751, 2400, 2401], 0, "real[]"),
    typ(1022, "_float8", -1, "bAdx", 701, 0, [750, 751, 2400, 2401], 0, "double precision[]"),
    typ(1028, "_oid", -1, "bAix", 26, 0, [750, 751, 2400, 2401], 0, "oid[]"),
    typ(1042, "bpchar", -1, "bSix", 0, 1014, [1044, 1045, 2430, 2431], 100, "character"),
    typ(1043, "varchar", -1, "bSix", 0, 1015, [1046, 1047, 2432, 2433], 100, "character varying"),
    typ(1082, "date", 4, "bDip", 0, 1182, [1084, 1085, 2468, 2469], 0, "date"),
    typ(1083, "time", 8, "bDdp", 0, 1183, [1143, 1144, 2470, 2471], 0, "time without time zone"),
    typ(1114, "timestamp", 8, "bDdp", 0, 1115, [1312, 1313, 2474, 2475], 0, "timestamp without time zone"),
    typ(1115, "_timestamp", -1, "bAdx", 1114, 0, [750, 751, 2400, 2401], 0, "timestamp without time zone[]"),
    typ(1182, "_date", -1, "bAix", 1082, 0, [750, 751, 2400, 2401], 0, "date[]"),
    typ(1183, "_time", -1, "bAdx", 1083, 0, [750, 751, 2400, 2401], 0, "time without time zone[]"),
    typ(1184, "timestamptz", 8, "bDdp", 0, 1185, [1150, 1151, 2476, 2477], 0, "timestamp with time zone"),
    typ(1185, "_timestamptz", -1, "bAdx", 1184, 0, [750, 751, 2400, 2401], 0, "timestamp with time zone[]"),
    typ(1186, "interval", 16, "bTdp", 0, 1187, [1160, 1161, 2478, 2479], 0, "interval"),
    typ(1187, "_interval", -1, "bAdx", 1186, 0, [750, 751, 2400, 2401], 0, "interval[]"),
    typ(1231, "_numeric", -1, "bAix", 1700, 0, [750, 751, 2400, 2401], 0, "numeric[]"),
    typ(1263, "_cstring", -1, "bAix", 2275, 0, [750, 751, 2400, 2401], 0, "cstring[]"),
    typ(1700, "numeric", -1, "bNim", 0, 1231, [1701, 1702, 2460, 2461], 0, "numeric"),
    typ(2205, "regclass", 4, "bNip", 0, 2210, [2218, 2219, 2452, 2453], 0, "regclass"),
    typ(2206, "regtype", 4, "bNip", 0, 2211, [2220, 2221, 2454, 2455], 0, "regtype"),
    typ(2210, "_regclass", -1, "bAix", 2205, 0, [750, 751, 2400, 2401], 0, "regclass[]"),
    typ(2211, "_regtype", -1, "bAix", 2206, 0, [750, 751, 2400, 2401], 0, "regtype[]"),
    typ(2249, "record", -1, "pPdx", 0, 2287, [2290, 2291, 2402, 2403], 0, "record"),
    typ(2275, "cstring", -2, "pPcp", 0, 1263, [2292, 2293, 2500, 2501], 0, "cstring"),
    typ(2276, "any", 4, "pPip", 0, 0, [2294, 2295, 0, 0], 0, "\"any\""),
    typ(2277, "anyarray", -1, "pPdx", 0, 0, [2296, 2297, 2502, 2503], 0, "anyarray"),
    typ(2278, "void", 4, "pPip", 0, 0, [2298, 2299, 3120, 3121], 0, "void"),
    typ(2279, "trigger", 4, "pPip", 0, 0, [2300, 2301, 0, 0], 0, "trigger"),
    typ(2287, "_record", -1, "pPdx", 2249, 0, [750, 751, 2400, 2401], 0, "record[]"),
    typ(2950, "uuid", 16, "bUcp", 0, 2951, [2952, 2953, 2961, 2962], 0, "uuid"),
    typ(2951, "_uuid", -1, "bAix", 2950, 0, [750, 751, 2400, 2401], 0, "uuid[]"),
    typ(3802, "jsonb", -1, "bUix", 0, 3807, [3806, 3804, 3805, 3803], 0, "jsonb"),
    typ(3807, "_jsonb", -1, "bAix", 3802, 0, [750, 751, 2400, 2401], 0, "jsonb[]"),
    typ(4089, "regnamespace", 4, "bNip", 0, 4090, [4084, 4085, 4087, 4088], 0, "regnamespace"),
    typ(4090, "_regnamespace", -1, "bAix", 4089, 0, [750, 751, 2400, 2401], 0, "regnamespace[]"),
    typ(4096, "regrole", 4, "bNip", 0, 4097, [4098, 4092, 4094, 4095], 0, "regrole"),
    typ(4097, "_regrole", -1, "bAix", 4096, 0, [750, 751, 2400, 2401], 0, "regrole[]"),
];

/// The input, output, receive and send functions of the types: oid, name, result, arguments.
#[rustfmt::skip]
pub(super) const PROCS: &[(u32, &str, u32, &[u32])] = &[
    (31, "byteaout", 2275, &[17]),
    (33, "charout", 2275, &[18]),
    (34, "namein", 19, &[2275]),
    (35, "nameout", 2275, &[19]),
    (38, "int2in", 21, &[2275]),
    (39, "int2out", 2275, &[21]),
    (40, "int2vectorin", 22, &[2275]),
    (41, "int2vectorout", 2275, &[22]),
    (42, "int4in", 23, &[2275]),
    (43, "int4out", 2275, &[23]),
    (44, "regprocin", 24, &[2275]),
    (45, "regprocout", 2275, &[24]),
    (46, "textin", 25, &[2275]),
    (47, "textout", 2275, &[25]),
    (50, "xidin", 28, &[2275]),
    (51, "xidout", 2275, &[28]),
    (54, "oidvectorin", 30, &[2275]),
    (55, "oidvectorout", 2275, &[30]),
    (109, "unknownin", 705, &[2275]),
    (110, "unknownout", 2275, &[705]),
    (195, "pg_node_tree_in", 194, &[2275]),
    (196, "pg_node_tree_out", 2275, &[194]),
    (197, "pg_node_tree_recv", 194, &[2281]),
    (198, "pg_node_tree_send", 17, &[194]),
    (200, "float4in", 700, &[2275]),
    (201, "float4out", 2275, &[700]),
    (214, "float8in", 701, &[2275]),
    (215, "float8out", 2275, &[701]),
    (321, "json_in", 114, &[2275]),
    (322, "json_out", 2275, &[114]),
    (323, "json_recv", 114, &[2281]),
    (324, "json_send", 17, &[114]),
    (460, "int8in", 20, &[2275]),
    (461, "int8out", 2275, &[20]),
    (750, "array_in", 2277, &[2275, 26, 23]),
    (751, "array_out", 2275, &[2277]),
    (1044, "bpcharin", 1042, &[2275, 26, 23]),
    (1045, "bpcharout", 2275, &[1042]),
    (1046, "varcharin", 1043, &[2275, 26, 23]),
    (1047, "varcharout", 2275, &[1043]),
    (1084, "date_in", 1082, &[2275]),
    (1085, "date_out", 2275, &[1082]),
    (1143, "time_in", 1083, &[2275, 26, 23]),
    (1144, "time_out", 2275, &[1083]),
    (1150, "timestamptz_in", 1184, &[2275, 26, 23]),
    (1151, "timestamptz_out", 2275, &[1184]),
    (1160, "interval_in", 1186, &[2275, 26, 23]),
    (1161, "interval_out", 2275, &[1186]),
    (1242, "boolin", 16, &[2275]),
    (1243, "boolout", 2275, &[16]),
    (1244, "byteain", 17, &[2275]),
    (1245, "charin", 18, &[2275]),
    (1312, "timestamp_in", 1114, &[2275, 26, 23]),
    (1313, "timestamp_out", 2275, &[1114]),
    (1701, "numeric_in", 1700, &[2275, 26, 23]),
    (1702, "numeric_out", 2275, &[1700]),
    (1798, "oidin", 26, &[2275]),
    (1799, "oidout", 2275, &[26]),
    (2218, "regclassin", 2205, &[2275]),
    (2219, "regclassout", 2275, &[2205]),
    (2220, "regtypein", 2206, &[2275]),
    (2221, "regtypeout", 2275, &[2206]),
    (2290, "record_in", 2249, &[2275, 26, 23]),
    (2291, "record_out", 2275, &[2249]),
    (2292, "cstring_in", 2275, &[2275]),
    (2293, "cstring_out", 2275, &[2275]),
    (2294, "any_in", 2276, &[2275]),
    (2295, "any_out", 2275, &[2276]),
    (2296, "anyarray_in", 2277, &[2275]),
    (2297, "anyarray_out", 2275, &[2277]),
    (2298, "void_in", 2278, &[2275]),
    (2299, "void_out", 2275, &[2278]),
    (2300, "trigger_in", 2279, &[2275]),
    (2301, "trigger_out", 2275, &[2279]),
    (2400, "array_recv", 2277, &[2281, 26, 23]),
    (2401, "array_send", 17, &[2277]),
    (2402, "record_recv", 2249, &[2281, 26, 23]),
    (2403, "record_send", 17, &[2249]),
    (2404, "int2recv", 21, &[2281]),
    (2405, "int2send", 17, &[21]),
    (2406, "int4recv", 23, &[2281]),
    (2407, "int4send", 17, &[23]),
    (2408, "int8recv", 20, &[2281]),
    (2409, "int8send", 17, &[20]),
    (2410, "int2vectorrecv", 22, &[2281]),
    (2411, "int2vectorsend", 17, &[22]),
    (2412, "bytearecv", 17, &[2281]),
    (2413, "byteasend", 17, &[17]),
    (2414, "textrecv", 25, &[2281]),
    (2415, "textsend", 17, &[25]),
    (2416, "unknownrecv", 705, &[2281]),
    (2417, "unknownsend", 17, &[705]),
    (2418, "oidrecv", 26, &[2281]),
    (2419, "oidsend", 17, &[26]),
    (2420, "oidvectorrecv", 30, &[2281]),
    (2421, "oidvectorsend", 17, &[30]),
    (2422, "namerecv", 19, &[2281]),
    (2423, "namesend", 17, &[19]),
    (2424, "float4recv", 700, &[2281]),
    (2425, "float4send", 17, &[700]),
    (2426, "float8recv", 701, &[2281]),
    (2427, "float8send", 17, &[701]),
    (2430, "bpcharrecv", 1042, &[2281, 26, 23]),
    (2431, "bpcharsend", 17, &[1042]),
    (2432, "varcharrecv", 1043, &[2281, 26, 23]),
    (2433, "varcharsend", 17, &[1043]),
    (2434, "charrecv", 18, &[2281]),
    (2435, "charsend", 17, &[18]),
    (2436, "boolrecv", 16, &[2281]),
    (2437, "boolsend", 17, &[16]),
    (2440, "xidrecv", 28, &[2281]),
    (2441, "xidsend", 17, &[28]),
    (2444, "regprocrecv", 24, &[2281]),
    (2445, "regprocsend", 17, &[24]),
    (2452, "regclassrecv", 2205, &[2281]),
    (2453, "regclasssend", 17, &[2205]),
    (2454, "regtyperecv", 2206, &[2281]),
    (2455, "regtypesend", 17, &[2206]),
    (2460, "numeric_recv", 1700, &[2281, 26, 23]),
    (2461, "numeric_send", 17, &[1700]),
    (2468, "date_recv", 1082, &[2281]),
    (2469, "date_send", 17, &[1082]),
    (2470, "time_recv", 1083, &[2281, 26, 23]),
    (2471, "time_send", 17, &[1083]),
    (2474, "timestamp_recv", 1114, &[2281, 26, 23]),
    (2475, "timestamp_send", 17, &[1114]),
    (2476, "timestamptz_recv", 1184, &[2281, 26, 23]),
    (2477, "timestamptz_send", 17, &[1184]),
    (2478, "interval_recv", 1186, &[2281, 26, 23]),
    (2479, "interval_send", 17, &[1186]),
    (2500, "cstring_recv", 2275, &[2281]),
    (2501, "cstring_send", 17, &[2275]),
    (2502, "anyarray_recv", 2277, &[2281]),
    (2503, "anyarray_send", 17, &[2277]),
    (2952, "uuid_in", 2950, &[2275]),
    (2953, "uuid_out", 2275, &[2950]),
    (2961, "uuid_recv", 2950, &[2281]),
    (2962, "uuid_send", 17, &[2950]),
    (3120, "void_recv", 2278, &[2281]),
    (3121, "void_send", 17, &[2278]),
    (3803, "jsonb_send", 17, &[3802]),
    (3804, "jsonb_out", 2275, &[3802]),
    (3805, "jsonb_recv", 3802, &[2281]),
    (3806, "jsonb_in", 3802, &[2275]),
    (4084, "regnamespacein", 4089, &[2275]),
    (4085, "regnamespaceout", 2275, &[4089]),
    (4087, "regnamespacerecv", 4089, &[2281]),
    (4088, "regnamespacesend", 17, &[4089]),
    (4092, "regroleout", 2275, &[4096]),
    (4094, "regrolerecv", 4096, &[2281]),
    (4095, "regrolesend", 17, &[4096]),
    (4098, "regrolein", 4096, &[2275]),
];
