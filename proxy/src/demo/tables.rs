//! The demo's tables: what each column holds, in a form that is read in one go.

use super::data::{Make, Make::*, Rows, Spec};

const CHANNELS: &[&str] = &["sms", "email", "push", "voice"];
const COUNTRIES: &[&str] = &["DE", "FR", "US", "GB", "ES", "NL", "PL", "SE"];
const CITIES: &[&str] =
    &["Berlin", "Lyon", "Austin", "Leeds", "Sevilla", "Utrecht", "Gdansk", "Malmo"];
const ORDER_STATES: &[&str] = &["paid", "paid", "paid", "shipped", "open", "refunded"];
const CURRENCIES: &[&str] = &["EUR", "EUR", "USD", "GBP"];
const CLINICS: &[&str] = &["north", "south", "harbour", "hill"];
const DIAGNOSES: &[&str] = &["J06", "I10", "E11", "M54", "F41", "K21", "Z00"];
const TITLES: &[&str] = &["engineer", "analyst", "account manager", "support", "team lead"];

fn spec(
    name: (&'static str, &'static str),
    comment: &'static str,
    primary_key: &'static str,
    rows: Rows,
    columns: Vec<(&'static str, &'static str, Make)>,
) -> Spec {
    Spec { schema: name.0, table: name.1, comment, primary_key, rows, columns }
}

/// All tables. The order is that of generation and must not matter.
pub(super) fn all() -> Vec<Spec> {
    let mut tables = customers();
    tables.extend(usage());
    tables.extend(people());
    tables
}

fn customers() -> Vec<Spec> {
    vec![
        spec(
            ("crm", "tenants"),
            "the companies that use the platform",
            "tenant_id",
            Rows::OnePerTenant,
            vec![
                ("tenant_id", "the tenant's short name", Tenant),
                ("name", "the company's name", TenantName),
                ("country", "two letters, ISO 3166", Pick(COUNTRIES)),
            ],
        ),
        spec(
            ("crm", "customers"),
            "people who buy from a tenant",
            "id",
            Rows::PerPercent(200),
            vec![
                ("id", "the customer's number", Id),
                ("tenant_id", "whose customer it is", Tenant),
                ("full_name", "first and last name", PersonName),
                ("email", "personal data", Email),
                ("phone", "personal data", Phone),
                ("national_id", "personal data", NationalId),
                ("birth_date", "personal data", Date { from: 1945, days: 22_000 }),
                ("income", "yearly, personal data", Money { min: 18_000, max: 190_000 }),
                ("country", "two letters, ISO 3166", Pick(COUNTRIES)),
                ("city", "where the customer lives", Pick(CITIES)),
                ("created_at", "when the account was opened", Time { from: 2022, days: 1_400 }),
            ],
        ),
        spec(
            ("crm", "orders"),
            "what customers bought",
            "id",
            Rows::PerPercent(2_400),
            vec![
                ("id", "the order's number", Id),
                ("tenant_id", "whose order it is", Tenant),
                ("customer_id", "who ordered", Ref { percent: 200 }),
                ("status", "paid, shipped, open or refunded", Pick(ORDER_STATES)),
                ("amount", "the price of the whole order", Money { min: 5, max: 900 }),
                ("currency", "three letters, ISO 4217", Pick(CURRENCIES)),
                ("ordered_at", "when it was placed", Time { from: 2024, days: 1_000 }),
            ],
        ),
        spec(
            ("admin", "tenants"),
            "which partner looks after which tenant",
            "tenant_id",
            Rows::OnePerTenant,
            vec![
                ("tenant_id", "the tenant", Tenant),
                ("partner_id", "the partner", Partner),
                ("onboarded_on", "since when", Date { from: 2021, days: 700 }),
            ],
        ),
        spec(
            ("admin", "partners"),
            "companies that sell the platform",
            "partner_id",
            Rows::Fixed(3),
            vec![
                ("partner_id", "the partner's short name", PartnerOfRow),
                ("city", "where it is", Pick(CITIES)),
                ("since", "since when", Date { from: 2018, days: 900 }),
            ],
        ),
    ]
}

fn usage() -> Vec<Spec> {
    vec![
        spec(
            ("mart", "fct_messages"),
            "one row for each message that was sent",
            "message_id",
            Rows::PerPercent(3_000),
            vec![
                ("message_id", "the message's number", Id),
                ("tenant_id", "who sent it", Tenant),
                ("customer_id", "who got it", Ref { percent: 200 }),
                ("channel", "sms, email, push or voice", Pick(CHANNELS)),
                ("segments", "billed parts", Int { min: 1, max: 6 }),
                ("price", "what it cost the tenant", Money { min: 0, max: 2 }),
                ("delivered", "whether it arrived", Flag { percent: 96 }),
                ("sent_at", "when it was sent", Time { from: 2026, days: 300 }),
            ],
        ),
        spec(
            ("mart", "daily_usage"),
            "messages of a tenant on a day",
            "tenant_id,day",
            Rows::EachTenant(365),
            vec![
                ("tenant_id", "the tenant", Tenant),
                ("day", "the day", Day { from: 2026 }),
                ("messages", "how many were sent", Int { min: 50, max: 9_000 }),
                ("price", "what they cost", Money { min: 10, max: 4_000 }),
            ],
        ),
    ]
}

fn people() -> Vec<Spec> {
    vec![
        spec(
            ("health", "patients"),
            "patients of the clinics",
            "id",
            Rows::PerPercent(100),
            vec![
                ("id", "the patient's number", Id),
                ("tenant_id", "the health insurer", Tenant),
                ("full_name", "first and last name", PersonName),
                ("birth_date", "personal data", Date { from: 1940, days: 28_000 }),
                ("national_id", "personal data", NationalId),
            ],
        ),
        spec(
            ("health", "visits"),
            "visits to the clinics",
            "id",
            Rows::PerPercent(500),
            vec![
                ("id", "the visit's number", Id),
                ("tenant_id", "the health insurer", Tenant),
                ("patient_id", "who came", Ref { percent: 100 }),
                ("clinic", "where", Pick(CLINICS)),
                ("diagnosis", "ICD-10, three characters", Pick(DIAGNOSES)),
                ("visited_on", "when", Date { from: 2024, days: 1_000 }),
                ("cost", "what the visit cost", Money { min: 40, max: 2_500 }),
            ],
        ),
        spec(
            ("hr", "employees"),
            "who works here",
            "id",
            Rows::Fixed(400),
            vec![
                ("id", "the employee's number", Id),
                ("full_name", "first and last name", PersonName),
                ("email", "at work", Email),
                ("title", "what they do", Pick(TITLES)),
                ("hired_on", "the first day", Date { from: 2015, days: 4_000 }),
            ],
        ),
        spec(
            ("hr", "salaries"),
            "what they earn",
            "employee_id",
            Rows::Fixed(400),
            vec![
                ("employee_id", "the employee", Id),
                ("salary", "yearly", Money { min: 38_000, max: 160_000 }),
                ("valid_from", "since when", Date { from: 2025, days: 300 }),
            ],
        ),
    ]
}
