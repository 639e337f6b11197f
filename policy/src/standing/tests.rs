//! Which roles are active, and what happens to what they permit and restrict.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use arrow::datatypes::{DataType, TimeUnit};

use super::{Caller, Network};
use crate::principal::{Question, answer};
use crate::testing::{check_errors, circumstances, load, principal, show};
use crate::{Circumstances, NamesTables, decide};

const ROLES: &str = "CREATE ROLE analyst; CREATE ROLE lead; CREATE ROLE guest;
    GRANT ROLE analyst TO ROLE lead; GRANT ROLE lead TO USER 'ana'; GRANT ROLE guest TO USER 'ana';";

/// The active roles of `ana`, who connects from 10.1.2.3.
fn active(rules: &str, circumstances: &Circumstances) -> String {
    let bundle = load(&format!("{ROLES}{rules}")).unwrap_or_else(|errors| panic!("{errors}"));
    match bundle.standing(&principal("ana"), circumstances) {
        Ok(standing) => {
            assert_eq!(standing.held().len(), 3);
            standing.active().iter().cloned().collect::<Vec<_>>().join(" ")
        }
        Err(_) => "refused".to_owned(),
    }
}

#[test]
fn rules_switch_roles_off() {
    let now = circumstances();
    let all = "analyst guest lead";
    for (rule, expected) in [
        ("", all),
        ("CREATE ACCESS RULE r TO ROLE analyst FROM ('10.0.0.0/8', '127.0.0.1');", all),
        ("CREATE ACCESS RULE r TO ROLE analyst FROM ('10.1.2.3');", all),
        ("CREATE ACCESS RULE r TO ROLE analyst FROM ('10.1.2.2');", "guest lead"),
        ("CREATE ACCESS RULE r TO ROLE analyst FROM ('::/0');", "guest lead"),
        ("CREATE ACCESS RULE r TO ROLE analyst FROM ('0.0.0.0/0');", all),
        // With a role goes what only it inherits.
        ("CREATE ACCESS RULE r TO ROLE lead FROM ('192.168.0.0/16');", "guest"),
        ("CREATE ACCESS RULE r TO ROLE lead, guest REQUIRE MFA;", "refused"),
        ("CREATE ACCESS RULE r TO USER 'ana' REQUIRE MFA;", "refused"),
        ("CREATE ACCESS RULE r TO USER 'bob' REQUIRE MFA;", all),
        ("CREATE ACCESS RULE r TO PUBLIC REQUIRE MFA;", "refused"),
        ("CREATE ACCESS RULE r TO ROLE guest PURPOSE IN ('billing');", "analyst lead"),
        ("CREATE ACCESS RULE r TO ROLE guest VALID UNTIL '2026-06-15';", all),
        ("CREATE ACCESS RULE r TO ROLE guest VALID UNTIL '2026-06-14';", "analyst lead"),
        ("CREATE ACCESS RULE r TO ROLE guest VALID UNTIL '2026-06-15 12:00:00';", "analyst lead"),
        ("CREATE ACCESS RULE r TO ROLE guest VALID FROM '2026-06-15 12:00:00';", all),
        ("CREATE ACCESS RULE r TO ROLE guest VALID FROM '2026-06-16';", "analyst lead"),
        // All that one demands, and all rules.
        (
            "CREATE ACCESS RULE r TO ROLE guest FROM ('10.0.0.0/8') VALID FROM '2026-06-16';",
            "analyst lead",
        ),
        (
            "CREATE ACCESS RULE r TO ROLE guest FROM ('10.0.0.0/8'); CREATE ACCESS RULE s TO ROLE guest REQUIRE MFA;",
            "analyst lead",
        ),
    ] {
        assert_eq!(active(rule, &now), expected, "{rule}");
    }
    let proven = Circumstances { mfa: true, purpose: Some("billing".to_owned()), ..now };
    let both = "CREATE ACCESS RULE r TO PUBLIC REQUIRE MFA PURPOSE IN ('research', 'billing');";
    assert_eq!(active(both, &proven), all);
    let other = Circumstances { purpose: Some("Billing".to_owned()), ..proven };
    assert_eq!(active(both, &other), "refused");
}

struct Orders;

impl NamesTables for Orders {
    fn tables(&self) -> &[std::sync::Arc<tollgate_catalog::Table>] {
        static TABLES: std::sync::OnceLock<[std::sync::Arc<tollgate_catalog::Table>; 1]> =
            std::sync::OnceLock::new();
        TABLES.get_or_init(|| {
            let name = tollgate_catalog::TableName::new("crm", "orders");
            [std::sync::Arc::clone(crate::testing::snapshot().table(&name).unwrap())]
        })
    }
}

#[test]
fn a_role_that_is_off_permits_nothing_and_still_restricts() {
    let sees = |mfa: bool, rules: &str| {
        let bundle = load(&format!(
            "CREATE ROLE staff; CREATE ROLE temp; GRANT ROLE staff TO USER 'ana'; GRANT ROLE temp TO USER 'ana';
             CREATE ACCESS RULE careful TO ROLE temp REQUIRE MFA;
             GRANT SELECT (id, region) ON crm.orders TO ROLE staff; {rules}"
        ))
        .unwrap_or_else(|errors| panic!("{errors}"));
        let circumstances = Circumstances { mfa, ..circumstances() };
        let permit = decide(&bundle, &principal("ana"), &circumstances, Orders).unwrap();
        show(&permit.into_parts().tables[0])
    };
    for (rules, on, off) in [
        (
            "GRANT SELECT (amount) ON crm.orders TO ROLE temp;",
            "id, region, amount | all",
            "id, region | all",
        ),
        ("DENY SELECT (region) ON crm.orders TO ROLE temp;", "id | all", "id | all"),
        (
            "CREATE ROW POLICY p ON crm.orders AS PERMISSIVE TO ROLE temp USING (id = 1);",
            "id, region | id = Int64(1)",
            "id, region | Boolean(false)",
        ),
        (
            "CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO ROLE temp USING (id = 1);",
            "id, region | id = Int64(1)",
            "id, region | id = Int64(1)",
        ),
        (
            "CREATE MASKING POLICY p ON crm.orders (id) USING (NULL) EXCEPT ROLE temp;",
            "id, region | all",
            "id=Int64(NULL), region | all",
        ),
        (
            "CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING (has_role('temp'));",
            "id, region | Boolean(true)",
            "id, region | Boolean(false)",
        ),
    ] {
        assert_eq!(sees(true, rules), on, "{rules}");
        assert_eq!(sees(false, rules), off, "{rules}");
    }
}

#[test]
fn time_is_an_input() {
    let bundle = load(
        "GRANT SELECT (id) ON crm.orders TO PUBLIC;
         CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING (placed_at <= current_timestamp AND current_date > '2026-01-01');",
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let parts = decide(&bundle, &principal("ana"), &circumstances(), Orders).unwrap().into_parts();
    assert!(parts.reads_clock);
    // The same instant in another zone.
    let berlin = DataType::Timestamp(TimeUnit::Millisecond, Some("+02:00".into()));
    let standing = bundle.standing(&principal("ana"), &circumstances()).unwrap();
    let caller = Caller { user: "ana", standing: &standing };
    let now = Question::Now(berlin).ask(Vec::new());
    let now = answer(&now, &principal("ana"), caller).unwrap();
    assert_eq!(now.to_string(), "TimestampMillisecond(1781524800000, Some(\"+02:00\"))");
    assert_eq!(
        show(&parts.tables[0]),
        "id | placed_at <= TimestampMicrosecond(1781524800000000, None) AND Date32(\"2026-06-15\") > Date32(\"2026-01-01\")"
    );
}

#[test]
fn networks() {
    for (text, address, holds) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.1.1.1", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("2001:db8::1", "2001:db8::1", true),
    ] {
        let network = Network::parse(text).unwrap();
        assert_eq!(network.holds(address.parse().unwrap()), holds, "{text} {address}");
    }
    for text in
        ["", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.1/8", "::ffff:10.0.0.0/104", "host", "1.2.3.4/"]
    {
        assert!(Network::parse(text).is_err(), "{text}");
    }
}

#[test]
fn refused_rules() {
    let rule = |rest: &str| format!("CREATE ROLE r;\nCREATE ACCESS RULE a TO ROLE r {rest};");
    for (rest, expected) in [
        ("", "2:32: expected what the rule demands, found \";\""),
        ("FROM ('10.0.0.1/8')", "2:38: \"10.0.0.1/8\" has bits behind its prefix"),
        ("FROM ()", "2:38: expected an address range, found \")\""),
        ("FROM ('office')", "2:38: \"office\" is not an address range"),
        ("REQUIRE MFA REQUIRE MFA", "2:44: the rule demands this twice"),
        ("VALID UNTIL 'soon'", "2:44: \"soon\" is not a date"),
        ("VALID UNTIL '2026-13-01'", "2:44: \"2026-13-01\" is not a date"),
        (
            "VALID FROM '2026-02-01' VALID UNTIL '2026-01-01'",
            "2:68: the rule ends before it begins",
        ),
        ("REQUIRE COOKIES", "2:32: expected what the rule demands, found \"REQUIRE\""),
    ] {
        check_errors(&rule(rest), &[expected]);
    }
}
