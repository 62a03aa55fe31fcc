use sqlx::PgConnection;

use super::Kin;
use crate::{TenantId, UserId};

pub(super) async fn kin(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Kin> {
    sqlx::query_as!(
        Kin,
        r#"with people as (select user_id from identity.membership where tenant_id = $1),
                relatives as (
                    select user_id from people
                    union
                    select other.user_id
                    from people
                    join identity.membership own on own.user_id = people.user_id
                    join identity.tenant family on family.id = own.tenant_id and family.kind = 'family'
                    join identity.membership other on other.tenant_id = family.id
                )
           select array(select user_id from people) as "people!: Vec<UserId>",
                  array(select user_id from relatives) as "relatives!: Vec<UserId>",
                  array(select distinct d.browser from people join identity.device d on d.user_id = people.user_id)
                      as "browsers!",
                  created_at as since
           from identity.tenant where id = $1"#,
        tenant as TenantId,
    )
    .fetch_one(conn)
    .await
}
