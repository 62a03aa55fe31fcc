-- Whether texts of this tenant's key may be kept at all: the key's own rule comes before the tenant's.
create function gateway.keeps_texts(tenant uuid, key uuid) returns boolean
language sql stable
as $$
    select coalesce(
        (select keep from gateway.retention r where r.tenant_id = tenant and r.key_id = key),
        (select keep from gateway.retention r where r.tenant_id = tenant and r.key_id is null),
        'always'
    ) not in ('none', 'metadata')
$$;
