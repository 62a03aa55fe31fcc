use serde::{Deserialize, Serialize};

/// What somebody is in a tenant. A guest's tenant has nobody else in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Guest,
    Owner,
    Admin,
    Member,
    Guardian,
    Child,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Guardian => "guardian",
            Self::Child => "child",
        }
    }

    /// Reads what a membership says; whatever is unknown may do nothing that a guest may not.
    pub(crate) fn from_stored(text: &str) -> Self {
        match text {
            "owner" => Self::Owner,
            "admin" => Self::Admin,
            "member" => Self::Member,
            "guardian" => Self::Guardian,
            "child" => Self::Child,
            _ => Self::Guest,
        }
    }
}

/// One thing that a caller may be allowed; also the scopes of API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Permission {
    #[serde(rename = "inference.use")]
    InferenceUse,
    #[serde(rename = "usage.read")]
    UsageRead,
    #[serde(rename = "billing.manage")]
    BillingManage,
    #[serde(rename = "profile.manage")]
    ProfileManage,
    #[serde(rename = "keys.manage")]
    KeysManage,
    #[serde(rename = "members.read")]
    MembersRead,
    #[serde(rename = "members.manage")]
    MembersManage,
    #[serde(rename = "children.manage")]
    ChildrenManage,
    #[serde(rename = "tenant.manage")]
    TenantManage,
    #[serde(rename = "audit.read")]
    AuditRead,
    #[serde(rename = "house.operate")]
    HouseOperate,
}

impl Permission {
    pub const ALL: [Self; 11] = [
        Self::InferenceUse,
        Self::UsageRead,
        Self::BillingManage,
        Self::ProfileManage,
        Self::KeysManage,
        Self::MembersRead,
        Self::MembersManage,
        Self::ChildrenManage,
        Self::TenantManage,
        Self::AuditRead,
        Self::HouseOperate,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InferenceUse => "inference.use",
            Self::UsageRead => "usage.read",
            Self::BillingManage => "billing.manage",
            Self::ProfileManage => "profile.manage",
            Self::KeysManage => "keys.manage",
            Self::MembersRead => "members.read",
            Self::MembersManage => "members.manage",
            Self::ChildrenManage => "children.manage",
            Self::TenantManage => "tenant.manage",
            Self::AuditRead => "audit.read",
            Self::HouseOperate => "house.operate",
        }
    }

    /// Reads a scope; none for a word that we don't know, so that it allows nothing.
    pub(crate) fn from_scope(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// Whether `role` is allowed `permission` in its tenant: the one table. What is not named is refused.
pub(crate) const fn allows(role: Role, permission: Permission) -> bool {
    use Permission as P;
    match role {
        Role::Guest => matches!(permission, P::InferenceUse | P::UsageRead),
        Role::Owner => !matches!(permission, P::ChildrenManage | P::HouseOperate),
        Role::Admin => !matches!(
            permission,
            P::ChildrenManage | P::TenantManage | P::HouseOperate
        ),
        Role::Member => matches!(
            permission,
            P::InferenceUse | P::UsageRead | P::ProfileManage | P::MembersRead
        ),
        Role::Guardian => !matches!(permission, P::HouseOperate),
        Role::Child => matches!(permission, P::MembersRead),
    }
}

/// Whether an API key may ever be given `permission`; its scopes narrow this further.
pub(crate) const fn key_allows(permission: Permission) -> bool {
    use Permission as P;
    matches!(
        permission,
        P::InferenceUse | P::UsageRead | P::KeysManage | P::MembersRead | P::AuditRead
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_decided() {
        // in the order of the columns: guest, owner, admin, member, guardian, child, key
        let table = [
            (Permission::InferenceUse, "yyyyy-y"),
            (Permission::UsageRead, "yyyyy-y"),
            (Permission::BillingManage, "-yy-y--"),
            (Permission::ProfileManage, "-yyyy--"),
            (Permission::KeysManage, "-yy-y-y"),
            (Permission::MembersRead, "-yyyyyy"),
            (Permission::MembersManage, "-yy-y--"),
            (Permission::ChildrenManage, "----y--"),
            (Permission::TenantManage, "-y--y--"),
            (Permission::AuditRead, "-yy-y-y"),
            (Permission::HouseOperate, "-------"),
        ];
        assert_eq!(table.map(|row| row.0), Permission::ALL);
        let roles = [
            Role::Guest,
            Role::Owner,
            Role::Admin,
            Role::Member,
            Role::Guardian,
            Role::Child,
        ];
        for (permission, row) in table {
            let cells: String = roles
                .into_iter()
                .map(|role| allows(role, permission))
                .chain([key_allows(permission)])
                .map(|yes| if yes { 'y' } else { '-' })
                .collect();
            assert_eq!(cells, row, "{permission:?}");
        }
    }

    #[test]
    fn unknown_words_allow_nothing() {
        assert_eq!(Role::from_stored("superuser"), Role::Guest);
        assert_eq!(Permission::from_scope("*"), None);
        for permission in Permission::ALL {
            assert_eq!(
                Permission::from_scope(permission.as_str()),
                Some(permission)
            );
            assert_eq!(
                serde_json::to_value(permission).unwrap(),
                permission.as_str()
            );
        }
        for role in [
            Role::Owner,
            Role::Admin,
            Role::Member,
            Role::Guardian,
            Role::Child,
        ] {
            assert_eq!(Role::from_stored(role.as_str()), role);
        }
    }
}
