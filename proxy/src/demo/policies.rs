//! The demo's configuration, users and policies, as the repository's examples have them.

/// Paths below the demo's folder, and contents.
pub(super) const FILES: &[(&str, &str)] = &[
    ("tollgate.toml", include_str!("../../../examples/demo/tollgate.toml")),
    ("users.toml", include_str!("../../../examples/demo/users.toml")),
    ("policies/1_roles.sql", include_str!("../../../examples/demo/policies/1_roles.sql")),
    ("policies/2_grants.sql", include_str!("../../../examples/demo/policies/2_grants.sql")),
    ("policies/3_rows.sql", include_str!("../../../examples/demo/policies/3_rows.sql")),
    ("policies/4_masks.sql", include_str!("../../../examples/demo/policies/4_masks.sql")),
    ("policies/5_tests.sql", include_str!("../../../examples/demo/policies/5_tests.sql")),
    ("policies/6_limits.sql", include_str!("../../../examples/demo/policies/6_limits.sql")),
    ("policies/7_aggregates.sql", include_str!("../../../examples/demo/policies/7_aggregates.sql")),
];
