"""Every operation of both listeners: how to call it, and who may. A new operation has to be written down here."""

import concurrent.futures
import contextlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import httpx

from house import House
from people import Person, address, child_at, passphrase, proven
from visitor import own_network

METHODS = ("get", "post", "put", "patch", "delete")

# Who may call what: y = may, - = is refused with 401 (nobody) or 403. From the table of permissions; what is a person's own
# affair (sessions, factors, addresses) is no key's, and what needs a password is no child's.
COLUMNS = ("nobody", "guest", "child", "member", "admin", "owner", "guardian", "operator", "key")
CALLERS = (*COLUMNS, "school")
MATRIX = """
                                              nobody guest child member admin owner guardian operator key
GET    /health                                   y     y     y     y      y     y      y        y      y
GET    /ready                                    y     y     y     y      y     y      y        y      y
GET    /metrics                                  y     y     y     y      y     y      y        y      y
GET    /house                                    y     y     y     y      y     y      y        y      y
POST   /demo/sign-in                             y     y     y     y      y     y      y        y      y
GET    /sandbox/letters                          y     y     y     y      y     y      y        y      y
GET    /billing/plans                            y     y     y     y      y     y      y        y      y
GET    /billing/topups                           y     y     y     y      y     y      y        y      y
GET    /rate-limit                               -     y     -     y      y     y      y        y      y
GET    /billing/plan                             -     y     -     y      y     y      y        y      y
GET    /billing/usage                            -     y     -     y      y     y      y        y      y
GET    /billing/usage/days                       -     y     -     y      y     y      y        y      y
GET    /billing/budgets                          -     y     -     y      y     y      y        y      y
PUT    /billing/budgets/{unit}                   -     -     -     -      y     y      y        y      -
DELETE /billing/budgets/{unit}                   -     -     -     -      y     y      y        y      -
GET    /billing/members                          -     y     -     y      y     y      y        y      y
PUT    /billing/members/{user}/budgets/{unit}    -     -     -     -      y     y      y        y      -
DELETE /billing/members/{user}/budgets/{unit}    -     -     -     -      y     y      y        y      -
GET    /billing/ledger                           -     y     -     y      y     y      y        y      y
GET    /billing/ledger/{unit}/lots               -     y     -     y      y     y      y        y      y
GET    /billing/ledger/{unit}/movements          -     y     -     y      y     y      y        y      y
GET    /admin/plans                              -     -     -     -      -     -      -        y      -
GET    /admin/usage                              -     -     -     -      -     -      -        y      -
GET    /admin/figures                            -     -     -     -      -     -      -        y      -
GET    /admin/tenants                            -     -     -     -      -     -      -        y      -
GET    /admin/tenants/{tenant}/ledger            -     -     -     -      -     -      -        y      -
GET    /admin/tenants/{tenant}/ledger/{unit}/lots   -     -     -     -      -     -      -        y      -
GET    /admin/tenants/{tenant}/ledger/{unit}/movements   -     -     -     -      -     -      -        y      -
GET    /admin/tenants/{tenant}/grants            -     -     -     -      -     -      -        y      -
GET    /admin/tenants/{tenant}/caps              -     -     -     -      -     -      -        y      -
PUT    /admin/tenants/{tenant}/caps/{unit}       -     -     -     -      -     -      -        y      -
DELETE /admin/tenants/{tenant}/caps/{unit}       -     -     -     -      -     -      -        y      -
POST   /admin/tenants/{tenant}/grants            -     -     -     -      -     -      -        y      -
POST   /admin/tenants/{tenant}/grants/{grant}/revoke   -     -     -     -      -     -      -        y      -
POST   /billing/checkout-session                 -     -     -     -      y     y      y        y      -
POST   /billing/portal-session                   -     -     -     -      y     y      y        y      -
GET    /billing/subscriptions                    -     -     -     -      y     y      y        y      -
POST   /billing/orders                           -     -     -     -      y     y      y        y      -
POST   /billing/topup-orders                     -     -     -     -      y     y      y        y      -
GET    /billing/topup-orders/{order}             -     -     -     -      y     y      y        y      -
GET    /billing/auto-topups                      -     -     -     -      y     y      y        y      -
POST   /billing/auto-topup-orders                -     -     -     -      y     y      y        y      -
PUT    /billing/auto-topups/{storefront}         -     -     -     -      y     y      y        y      -
DELETE /billing/auto-topups/{storefront}         -     -     -     -      y     y      y        y      -
POST   /billing/subscriptions/{subscription}/change -  -     -     -      y     y      y        y      -
POST   /billing/subscriptions/{subscription}/cancel -  -     -     -      y     y      y        y      -
POST   /billing/subscriptions/{subscription}/resume -  -     -     -      y     y      y        y      -
GET    /me/points                                -     -     -     -      y     y      y        y      -
POST   /points/redeem                            -     -     -     -      y     y      y        y      -
GET    /me/referrals                             -     -     -     -      y     y      y        y      -
POST   /referrals                                -     -     -     -      y     y      y        y      -
POST   /referrals/accept                         -     -     -     -      y     y      y        y      -
GET    /billing/receipts                         -     -     -     -      y     y      y        y      -
GET    /billing/receipts/{receipt}               -     -     -     -      y     y      y        y      -
GET    /admin/billing/events                     -     -     -     -      -     -      -        y      -
POST   /admin/billing/events/{event}/replay      -     -     -     -      -     -      -        y      -
GET    /admin/billing/subscriptions              -     -     -     -      -     -      -        y      -
POST   /admin/billing/reconcile                  -     -     -     -      -     -      -        y      -
POST   /webhooks/stripe                          y     y     y     y      y     y      y        y      y
GET    /api/misaki/phrases                       y     y     y     y      y     y      y        y      y
GET    /api/misaki/chats                         -     y     -     y      y     y      y        y      y
GET    /api/misaki/chats/{chat}                  -     y     -     y      y     y      y        y      y
PATCH  /api/misaki/chats/{chat}                  -     y     -     y      y     y      y        y      y
PUT    /api/misaki/chats/{chat}/shown            -     y     -     y      y     y      y        y      y
DELETE /api/misaki/messages/{message}            -     y     -     y      y     y      y        y      y
GET    /api/misaki/folders                       -     y     -     y      y     y      y        y      y
GET    /api/misaki/search                        -     y     -     y      y     y      y        y      y
DELETE /api/misaki/chats/{chat}                  -     y     -     y      y     y      y        y      y
POST   /api/misaki/chats/{chat}/shares           -     y     -     y      y     y      y        y      y
GET    /api/misaki/chats/{chat}/shares           -     y     -     y      y     y      y        y      y
DELETE /api/misaki/shares/{share}                -     y     -     y      y     y      y        y      y
GET    /api/misaki/shared/{token}                y     y     y     y      y     y      y        y      y
GET    /api/misaki/chats/{chat}/export           -     y     -     y      y     y      y        y      y
GET    /api/misaki/export                        -     y     -     y      y     y      y        y      y
POST   /api/misaki/import                        -     y     -     y      y     y      y        y      y
GET    /api/misaki/imports/{import}              -     y     -     y      y     y      y        y      y
GET    /api/misaki/consents                      -     y     -     y      y     y      y        y      y
PUT    /api/misaki/consents                      -     -     -     y      y     y      y        y      -
GET    /api/misaki/memories                      -     y     -     y      y     y      y        y      y
DELETE /api/misaki/memories                      -     y     -     y      y     y      y        y      y
PATCH  /api/misaki/memories/{memory}             -     y     -     y      y     y      y        y      y
DELETE /api/misaki/memories/{memory}             -     y     -     y      y     y      y        y      y
GET    /api/misaki/welcome                       y     y     y     y      y     y      y        y      y
GET    /api/misaki/persona                       y     y     y     y      y     y      y        y      y
GET    /admin/misaki/persona                     -     -     -     -      -     -      -        y      -
PUT    /admin/misaki/persona                     -     -     -     -      -     -      -        y      -
POST   /admin/misaki/persona/import              -     -     -     -      -     -      -        y      -
GET    /admin/misaki/persona/export              -     -     -     -      -     -      -        y      -
GET    /admin/misaki/persona/versions            -     -     -     -      -     -      -        y      -
POST   /admin/misaki/persona/rollback            -     -     -     -      -     -      -        y      -
GET    /api/misaki/age                           -     y     -     y      y     y      y        y      y
PUT    /api/misaki/age                           -     y     -     y      y     y      y        y      y
PUT    /api/misaki/messages/{message}/feedback   -     y     -     y      y     y      y        y      y
DELETE /api/misaki/messages/{message}/feedback   -     y     -     y      y     y      y        y      y
GET    /admin/misaki/feedback                    -     -     -     -      -     -      -        y      -
GET    /admin/misaki/moderation                  -     -     -     -      -     -      -        y      -
GET    /admin/misaki/phrases                     -     -     -     -      -     -      -        y      -
PUT    /admin/misaki/phrases/{phrase}            -     -     -     -      -     -      -        y      -
DELETE /admin/misaki/phrases/{phrase}            -     -     -     -      -     -      -        y      -
POST   /admin/misaki/phrases/test                -     -     -     -      -     -      -        y      -
GET    /admin/misaki/phrases/csv                 -     -     -     -      -     -      -        y      -
POST   /admin/misaki/phrases/csv                 -     -     -     -      -     -      -        y      -
POST   /admin/misaki/phrases/publish             -     -     -     -      -     -      -        y      -
GET    /admin/misaki/phrases/versions            -     -     -     -      -     -      -        y      -
POST   /admin/misaki/phrases/rollback            -     -     -     -      -     -      -        y      -
POST   /inference                                -     y     -     y      y     y      y        y      y
POST   /inference/quote                          -     y     -     y      y     y      y        y      y
GET    /history                                  -     y     -     y      y     y      y        y      y
GET    /history/events                           -     y     -     y      y     y      y        y      y
GET    /history/{run}                            -     y     -     y      y     y      y        y      y
DELETE /history/{run}                            -     y     -     y      y     y      y        y      y
POST   /history/delete                           -     y     -     y      y     y      y        y      y
GET    /statistics                               -     y     -     y      y     y      y        y      y
GET    /genai/models                             -     y     -     y      y     y      y        y      y
GET    /genai/retention                          -     y     -     y      y     y      y        y      y
PUT    /genai/retention                          -     -     -     -      -     y      y        y      -
PUT    /genai/retention/{key}                    -     -     -     -      y     y      y        y      y
DELETE /genai/retention/{key}                    -     -     -     -      y     y      y        y      y
GET    /genai/talks                              -     y     -     y      y     y      y        y      y
POST   /genai/talks                              -     y     -     y      y     y      y        y      y
GET    /genai/talks/{talk}                       -     y     -     y      y     y      y        y      y
PATCH  /genai/talks/{talk}                       -     y     -     y      y     y      y        y      y
DELETE /genai/talks/{talk}                       -     y     -     y      y     y      y        y      y
POST   /genai/talks/{talk}/runs                  -     y     -     y      y     y      y        y      y
GET    /status                                   y     y     y     y      y     y      y        y      y
GET    /inference/{run}                          -     y     -     y      y     y      y        y      y
GET    /inference/{run}/result                   -     y     -     y      y     y      y        y      y
POST   /v1/chat/completions                      -     y     -     y      y     y      y        y      y
POST   /v1/completions                           -     y     -     y      y     y      y        y      y
GET    /v1/models                                -     y     -     y      y     y      y        y      y
GET    /v1/models/{model}                        -     y     -     y      y     y      y        y      y
POST   /v1/embeddings                            -     y     -     y      y     y      y        y      y
POST   /v1/responses                             -     y     -     y      y     y      y        y      y
GET    /v1/responses/{response}                  -     y     -     y      y     y      y        y      y
DELETE /v1/responses/{response}                  -     y     -     y      y     y      y        y      y
POST   /v1/responses/{response}/cancel           -     y     -     y      y     y      y        y      y
POST   /v1/files                                 -     -     -     y      y     y      y        y      y
GET    /v1/files                                 -     -     -     y      y     y      y        y      y
GET    /v1/files/{file}                          -     -     -     y      y     y      y        y      y
DELETE /v1/files/{file}                          -     -     -     y      y     y      y        y      y
GET    /v1/files/{file}/content                  -     -     -     y      y     y      y        y      y
POST   /v1/batches                               -     -     -     y      y     y      y        y      y
GET    /v1/batches                               -     -     -     y      y     y      y        y      y
GET    /v1/batches/{batch}                       -     -     -     y      y     y      y        y      y
POST   /v1/batches/{batch}/cancel                -     -     -     y      y     y      y        y      y
GET    /v2/{endpoint}/stream/{job}               -     y     -     y      y     y      y        y      y
POST   /v2/{endpoint}/retry/{job}                -     y     -     y      y     y      y        y      y
GET    /v2/{endpoint}/health                     -     y     -     y      y     y      y        y      y
POST   /v2/{endpoint}/purge-queue                -     y     -     y      y     y      y        y      y
POST   /v2/{endpoint}/run                        -     y     -     y      y     y      y        y      y
POST   /v2/{endpoint}/runsync                    -     y     -     y      y     y      y        y      y
GET    /v2/{endpoint}/status/{job}               -     y     -     y      y     y      y        y      y
POST   /v2/{endpoint}/cancel/{job}               -     y     -     y      y     y      y        y      y
POST   /v1/messages                              -     y     -     y      y     y      y        y      y
POST   /v1/messages/count_tokens                 -     y     -     y      y     y      y        y      y
GET    /inference/{run}/events                   -     y     -     y      y     y      y        y      y
POST   /inference/{run}/cancel                   -     y     -     y      y     y      y        y      y
POST   /misaki/messages                          -     y     -     y      y     y      y        y      y
POST   /misaki/messages/{message}/again          -     y     -     y      y     y      y        y      y
POST   /misaki/passing                           -     y     -     y      y     y      y        y      y
POST   /auth/register                            y     y     y     y      y     y      y        y      y
POST   /auth/login                               y     y     y     y      y     y      y        y      y
POST   /auth/login/second                        y     y     y     y      y     y      y        y      y
POST   /auth/login/child                         y     y     y     y      y     y      y        y      y
POST   /auth/passkey/options                     y     y     y     y      y     y      y        y      y
POST   /auth/passkey/login                       y     y     y     y      y     y      y        y      y
POST   /auth/guest                               y     y     y     y      y     y      y        y      y
POST   /auth/logout                              y     y     y     y      y     y      y        y      y
GET    /auth/me                                  -     y     y     y      y     y      y        y      y
PATCH  /auth/me                                  -     -     -     y      y     y      y        y      -
POST   /auth/tenant                              -     -     y     y      y     y      y        y      -
POST   /auth/step-up                             -     -     -     y      y     y      y        y      -
POST   /auth/password                            -     -     -     y      y     y      y        y      -
DELETE /auth/password                            -     -     -     y      y     y      y        y      -
POST   /auth/password/forgot                     y     y     y     y      y     y      y        y      y
POST   /auth/password/reset                      y     y     y     y      y     y      y        y      y
POST   /auth/email/verify                        y     y     y     y      y     y      y        y      y
POST   /auth/email/resend                        -     -     -     y      y     y      y        y      -
POST   /auth/email                               -     -     -     y      y     y      y        y      -
GET    /auth/sessions                            -     -     -     y      y     y      y        y      -
DELETE /auth/sessions/{session}                  -     -     -     y      y     y      y        y      -
POST   /auth/sessions/revoke-others              -     -     -     y      y     y      y        y      -
GET    /auth/factors                             -     -     -     y      y     y      y        y      -
POST   /auth/factors/totp                        -     -     -     y      y     y      y        y      -
POST   /auth/factors/totp/confirm                -     -     -     y      y     y      y        y      -
DELETE /auth/factors/totp                        -     -     -     y      y     y      y        y      -
POST   /auth/factors/recovery-codes              -     -     -     y      y     y      y        y      -
POST   /auth/factors/passkeys/options            -     -     -     y      y     y      y        y      -
POST   /auth/factors/passkeys                    -     -     -     y      y     y      y        y      -
DELETE /auth/factors/passkeys/{passkey}          -     -     -     y      y     y      y        y      -
GET    /auth/issuers                             y     y     y     y      y     y      y        y      y
GET    /auth/oidc/{issuer}                       y     y     y     y      y     y      y        y      y
POST   /auth/callback                            y     y     y     y      y     y      y        y      y
POST   /auth/token                               y     y     y     y      y     y      y        y      y
POST   /auth/token/refresh                       y     y     y     y      y     y      y        y      y
GET    /keys                                     -     -     -     -      y     y      y        y      y
POST   /keys                                     -     -     -     -      y     y      y        y      y
PATCH  /keys/{key}                               -     -     -     -      y     y      y        y      y
POST   /keys/{key}/rotate                        -     -     -     -      y     y      y        y      y
DELETE /keys/{key}                               -     -     -     -      y     y      y        y      y
POST   /keys/leaked                              y     y     y     y      y     y      y        y      y
GET    /tenants                                  -     -     -     y      y     y      y        y      -
POST   /tenants                                  -     -     -     y      y     y      y        y      -
PATCH  /tenants/current                          -     -     -     -      -     y      y        y      -
GET    /hooks                                    -     -     -     -      -     y      y        y      -
POST   /hooks                                    -     -     -     -      -     y      y        y      -
GET    /hooks/event-types                        -     -     -     -      -     y      y        y      -
PATCH  /hooks/{hook}                             -     -     -     -      -     y      y        y      -
DELETE /hooks/{hook}                             -     -     -     -      -     y      y        y      -
POST   /hooks/{hook}/secret                      -     -     -     -      -     y      y        y      -
POST   /hooks/runs/secret                        -     -     -     -      -     y      y        y      -
POST   /hooks/{hook}/test                        -     -     -     -      -     y      y        y      -
GET    /hooks/{hook}/deliveries                  -     -     -     -      -     y      y        y      -
POST   /hooks/deliveries/{delivery}/replay       -     -     -     -      -     y      y        y      -
GET    /admin/jobs                               -     -     -     -      -     -      -        y      -
GET    /admin/jobs/statistics                    -     -     -     -      -     -      -        y      -
POST   /admin/jobs/{job}/retry                   -     -     -     -      -     -      -        y      -
DELETE /admin/jobs/{job}                         -     -     -     -      -     -      -        y      -
GET    /admin/crons                              -     -     -     -      -     -      -        y      -
GET    /admin/providers                          -     -     -     -      -     -      -        y      -
POST   /admin/providers                          -     -     -     -      -     -      -        y      -
PATCH  /admin/providers/{credential}             -     -     -     -      -     -      -        y      -
DELETE /admin/providers/{credential}             -     -     -     -      -     -      -        y      -
POST   /admin/providers/{credential}/rotate      -     -     -     -      -     -      -        y      -
GET    /admin/models                             -     -     -     -      -     -      -        y      -
GET    /admin/models/versions                    -     -     -     -      -     -      -        y      -
POST   /admin/models/versions                    -     -     -     -      -     -      -        y      -
GET    /admin/models/versions/{version}          -     -     -     -      -     -      -        y      -
POST   /admin/models/check                       -     -     -     -      -     -      -        y      -
POST   /admin/models/rollback                    -     -     -     -      -     -      -        y      -
POST   /admin/models/canary                      -     -     -     -      -     -      -        y      -
GET    /members                                  -     -     y     y      y     y      y        y      y
PATCH  /members/{user}                           -     -     -     -      y     y      y        y      -
DELETE /members/{user}                           -     -     -     -      y     y      y        y      -
GET    /invitations                              -     -     -     -      y     y      y        y      -
POST   /invitations                              -     -     -     -      y     y      y        y      -
DELETE /invitations/{id}                         -     -     -     -      y     y      y        y      -
POST   /invitations/view                         y     y     y     y      y     y      y        y      y
POST   /invitations/accept                       -     -     -     y      y     y      y        y      -
POST   /invitations/refresh                      y     y     y     y      y     y      y        y      y
GET    /family                                   -     -     y     y      y     y      y        y      y
POST   /family/children                          -     -     -     -      -     -      y        -      -
PATCH  /family/children/{user}                   -     -     -     -      -     -      y        -      -
DELETE /family/children/{user}                   -     -     -     -      -     -      y        -      -
POST   /family/children/{user}/enter             -     -     -     -      -     -      y        -      -
GET    /audit                                    -     -     -     -      y     y      y        y      y
GET    /audit/export                             -     -     -     -      y     y      y        y      y
GET    /account/export                           -     -     -     y      y     y      y        y      -
POST   /account/deletion                         -     -     -     y      y     y      y        y      -
DELETE /account/deletion                         -     -     -     y      y     y      y        y      -
GET    /.well-known/openid-configuration         y     y     y     y      y     y      y        y      y
GET    /.well-known/jwks.json                    y     y     y     y      y     y      y        y      y
GET    /oauth/authorize                          y     y     y     y      y     y      y        y      y
POST   /oauth/token                              y     y     y     y      y     y      y        y      y
GET    /oauth/userinfo                           -     -     -     -      -     -      -        -      -
POST   /oauth/userinfo                           -     -     -     -      -     -      -        -      -
POST   /oauth/revoke                             y     y     y     y      y     y      y        y      y
GET    /mail/unsubscribe/{token}                 y     y     y     y      y     y      y        y      y
POST   /mail/unsubscribe/{token}                 y     y     y     y      y     y      y        y      y
"""


def matrix() -> dict[str, dict[str, bool]]:
    """Operation → caller → whether it may."""
    found = {}
    for line in MATRIX.strip().splitlines()[1:]:
        method, path, *cells = line.split()
        assert len(cells) == len(COLUMNS) and f"{method} {path}" not in found, line
        row = {caller: cell == "y" for caller, cell in zip(COLUMNS, cells, strict=True)}
        found[f"{method} {path}"] = row | {"school": row["owner"]}  # the owner of a school is an owner
    return found


def hexid() -> str:
    return uuid.uuid4().hex


@dataclass
class Ids:
    """What the operations are about; made of nothing unless filled."""

    tenant: str = field(default_factory=lambda: f"tnt_{hexid()}")
    user: str = field(default_factory=lambda: f"usr_{hexid()}")
    child: str = field(default_factory=lambda: f"usr_{hexid()}")
    chat: str = field(default_factory=lambda: f"chat_{hexid()}")
    message: str = field(default_factory=lambda: f"msg_{hexid()}")
    share: str = field(default_factory=lambda: f"shr_{hexid()}")
    import_: str = field(default_factory=lambda: f"imp_{hexid()}")
    memory: str = field(default_factory=lambda: f"mem_{hexid()}")
    phrase: str = "nothing"
    run: str = field(default_factory=lambda: f"run_{hexid()}")
    talk: str = field(default_factory=lambda: f"talk_{hexid()}")
    session: str = field(default_factory=lambda: f"ses_{hexid()}")
    passkey: str = field(default_factory=lambda: f"psk_{hexid()}")
    key: str = field(default_factory=lambda: f"key_{hexid()}")
    invitation: str = field(default_factory=lambda: f"inv_{hexid()}")
    subscription: str = field(default_factory=lambda: f"sub_{hexid()}")
    receipt: str = field(default_factory=lambda: f"rcp_{hexid()}")
    order: str = field(default_factory=lambda: f"ord_{hexid()}")
    grant: str = field(default_factory=lambda: f"grt_{hexid()}")
    event: str = field(default_factory=lambda: f"evt_{hexid()}")
    hook: str = field(default_factory=lambda: f"hok_{hexid()}")
    delivery: str = field(default_factory=lambda: f"dlv_{hexid()}")
    credential: str = field(default_factory=lambda: f"prc_{hexid()}")
    job: str = field(default_factory=lambda: f"job_{hexid()}")
    issuer: str = "nowhere"
    version: str = "0"
    unit: str = "misaki.chat"
    storefront: str = "misaki"
    model: str = "nobody"
    response: str = field(default_factory=lambda: f"resp_{hexid()}")
    endpoint: str = "nobody"
    file: str = field(default_factory=lambda: f"file_{hexid()}")
    batch: str = field(default_factory=lambda: f"batch_{hexid()}")
    token: str = field(default_factory=lambda: hexid() + hexid())


def meant(path: str, name: str) -> str:
    """The id that a name in a path stands for."""
    if name == "user" and path.startswith("/family/"):
        return "child"
    if name == "import":  # a word of the language
        return "import_"
    return "invitation" if name == "id" and path.startswith("/invitations/") else name


# Bodies that a server takes as well-formed and that change nothing which another cell needs.
BODIES: dict[str, Callable[[Ids], dict]] = {
    "POST /demo/sign-in": lambda ids: {"as": "free"},
    "POST /billing/checkout-session": lambda ids: {"storefront": "misaki", "plan": "guest"},
    "POST /billing/orders": lambda ids: {"storefront": "misaki", "plan": "guest"},
    "PUT /billing/budgets/{unit}": lambda ids: {"monthly": 1_000_000, "alerts": []},
    "PUT /billing/members/{user}/budgets/{unit}": lambda ids: {"monthly": 1_000_000},
    "PUT /admin/tenants/{tenant}/caps/{unit}": lambda ids: {"monthly": 1_000_000},
    "POST /billing/auto-topup-orders": lambda ids: {"storefront": "misaki", "topup": "nothing", "threshold": 1, "monthly_yen": 1},
    "PUT /billing/auto-topups/{storefront}": lambda ids: {"order": f"ord_{'0' * 32}"},
    "POST /billing/topup-orders": lambda ids: {"storefront": "misaki", "topup": "nothing"},
    "POST /admin/tenants/{tenant}/grants": lambda ids: {"unit": ids.unit, "amount": 0, "reason": "nothing"},
    "POST /admin/tenants/{tenant}/grants/{grant}/revoke": lambda ids: {"reason": "nothing"},
    "POST /points/redeem": lambda ids: {"exchange": "nothing"},
    "POST /referrals": lambda ids: {"programme": "nothing"},
    "POST /referrals/accept": lambda ids: {"code": "22222222"},
    "POST /billing/subscriptions/{subscription}/change": lambda ids: {"order": f"ord_{ids.token[:32]}"},
    "POST /webhooks/stripe": lambda ids: {"id": "evt_of_nobody"},
    "POST /inference": lambda ids: {"route": "misaki.chat", "messages": [{"role": "user", "content": "こんばんは"}]},
    "POST /inference/quote": lambda ids: {"route": "misaki.chat", "prompt": "こんばんは"},
    "POST /history/delete": lambda ids: {"ids": [ids.run]},
    "POST /genai/talks": lambda ids: {"run_id": ids.run, "turn": str(uuid.uuid4())},
    "PATCH /genai/talks/{talk}": lambda ids: {"title": "still the same"},
    "POST /genai/talks/{talk}/runs": lambda ids: {"run_id": ids.run, "turn": str(uuid.uuid4())},
    "PUT /genai/retention": lambda ids: {"keep": "always"},
    "PUT /genai/retention/{key}": lambda ids: {"keep": "always"},
    "POST /v1/chat/completions": lambda ids: {"model": "misaki-small", "messages": [{"role": "user", "content": "こんばんは"}]},
    "POST /v1/completions": lambda ids: {"model": "misaki-small", "prompt": "こんばんは"},
    "POST /v1/embeddings": lambda ids: {"model": "nothing", "input": "こんばんは"},
    "POST /v1/responses": lambda ids: {"model": "misaki-small", "input": "こんばんは"},
    "POST /v1/batches": lambda ids: {"input_file_id": ids.file, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
    "POST /v2/{endpoint}/run": lambda ids: {"input": {"text": "こんばんは"}},
    "POST /v2/{endpoint}/runsync": lambda ids: {"input": {"text": "こんばんは"}},
    "POST /v1/messages": lambda ids: {"model": "misaki-small", "max_tokens": 50, "messages": [{"role": "user", "content": "こんばんは"}]},
    "POST /v1/messages/count_tokens": lambda ids: {"model": "misaki-small", "messages": [{"role": "user", "content": "こんばんは"}]},
    "POST /misaki/messages": lambda ids: {"chat_id": ids.chat, "text": "こんばんは"},
    "POST /misaki/messages/{message}/again": lambda ids: {},
    "POST /misaki/passing": lambda ids: {"earlier": [], "text": "こんばんは"},
    "PATCH /api/misaki/chats/{chat}": lambda ids: {"title": "still the same"},
    "POST /api/misaki/chats/{chat}/shares": lambda ids: {"audience": "link"},
    "POST /api/misaki/import": lambda ids: {"format": "noren.misaki.history.v1", "chats": []},
    "PUT /api/misaki/consents": lambda ids: {},
    "PATCH /api/misaki/memories/{memory}": lambda ids: {"text": "still the same"},
    "PUT /admin/misaki/persona": lambda ids: {"card": {}},
    "POST /admin/misaki/persona/import": lambda ids: {},
    "POST /admin/misaki/persona/rollback": lambda ids: {"version": 0},
    "PUT /api/misaki/age": lambda ids: {"of_age": True},
    "PUT /api/misaki/messages/{message}/feedback": lambda ids: {"liked": True},
    "PUT /admin/misaki/phrases/{phrase}": lambda ids: {"revision": -1, "phrase": {"id": "a", "match": ["a"], "replies": [{"when": "any", "text": "b"}]}},
    "POST /admin/misaki/phrases/test": lambda ids: {"text": "こんばんは"},
    "POST /admin/misaki/phrases/csv": lambda ids: {},
    "POST /admin/misaki/phrases/publish": lambda ids: {"revision": -1},
    "POST /admin/misaki/phrases/rollback": lambda ids: {"version": 0},
    "PUT /api/misaki/chats/{chat}/shown": lambda ids: {"message_id": ids.message},
    "POST /auth/register": lambda ids: {"email": address(), "password": passphrase(), "display_name": "someone"},
    "POST /auth/login": lambda ids: {"email": address(), "password": passphrase()},
    "POST /auth/login/second": lambda ids: {"ticket": ids.token, "code": "000000"},
    "POST /auth/login/child": lambda ids: {"family": hexid()[:8], "name": "nobody", "pin": "000000"},
    "POST /auth/passkey/options": lambda ids: {},
    "POST /auth/passkey/login": lambda ids: {"ceremony": ids.token, "credential": {}},
    "PATCH /auth/me": lambda ids: {"display_name": "still the same"},
    "POST /auth/tenant": lambda ids: {"tenant": ids.tenant},
    "POST /auth/step-up": lambda ids: {"password": passphrase()},
    "POST /auth/password": lambda ids: {"password": "short"},
    "POST /auth/password/forgot": lambda ids: {"email": address()},
    "POST /auth/password/reset": lambda ids: {"token": ids.token, "password": passphrase()},
    "POST /auth/email/verify": lambda ids: {"token": ids.token},
    "POST /auth/email": lambda ids: {"email": "not an address"},
    "POST /auth/factors/totp/confirm": lambda ids: {"code": "000000"},
    "POST /auth/factors/passkeys": lambda ids: {"ceremony": ids.token, "name": "a passkey", "credential": {}},
    "POST /auth/callback": lambda ids: {"code": ids.token, "state": ids.token},
    "POST /auth/token": lambda ids: {"email": address(), "password": passphrase()},
    "POST /auth/token/refresh": lambda ids: {"refresh_token": ids.token},
    "POST /keys": lambda ids: {"name": "a key", "scopes": ["usage.read"]},
    "PATCH /keys/{key}": lambda ids: {"name": "renamed"},
    "POST /keys/{key}/rotate": lambda ids: {"grace_hours": 1},
    "POST /keys/leaked": lambda ids: {"key": f"nrn_{hexid()}{hexid()}"},
    "POST /tenants": lambda ids: {"kind": "team", "name": "another team"},
    "PATCH /tenants/current": lambda ids: {"name": "still ours"},
    "POST /hooks": lambda ids: {"url": "http://inside.example/"},
    "PATCH /hooks/{hook}": lambda ids: {"description": "renamed"},
    "POST /hooks/{hook}/secret": lambda ids: {"grace_hours": 1},
    "POST /hooks/runs/secret": lambda ids: {"grace_hours": 1},
    "POST /admin/providers": lambda ids: {"provider": "nowhere", "secret": "of no use"},
    "PATCH /admin/providers/{credential}": lambda ids: {"weight": 2},
    "POST /admin/providers/{credential}/rotate": lambda ids: {"secret": "of-no-use"},
    "POST /admin/models/versions": lambda ids: {"text": "[[model]]", "seen": 0},
    "POST /admin/models/check": lambda ids: {"text": ""},
    "POST /admin/models/rollback": lambda ids: {"version": 99_999},
    "POST /admin/models/canary": lambda ids: {"model": "nothing", "percent": 0, "seen": 0},
    "PATCH /members/{user}": lambda ids: {"role": "admin"},
    "POST /invitations": lambda ids: {"email": address(), "role": "guardian" if ids.issuer == "family" else "member"},
    "POST /invitations/view": lambda ids: {"token": ids.token},
    "POST /invitations/accept": lambda ids: {"token": ids.token},
    "POST /invitations/refresh": lambda ids: {"token": ids.token},
    "POST /family/children": lambda ids: {"name": hexid()[:12], "display_name": "one more", "pin": "314159", "consent": True, "birth_year": 2017},
    "PATCH /family/children/{user}": lambda ids: {"display_name": "renamed"},
}
NO_BODY = {
    "POST /billing/subscriptions/{subscription}/cancel", "POST /billing/subscriptions/{subscription}/resume",
    "POST /admin/billing/events/{event}/replay", "POST /admin/billing/reconcile",
    "POST /billing/portal-session", "POST /auth/guest", "POST /auth/logout", "POST /auth/email/resend", "POST /auth/sessions/revoke-others", "POST /auth/factors/totp",
    "POST /hooks/{hook}/test", "POST /hooks/deliveries/{delivery}/replay", "POST /admin/jobs/{job}/retry",
    "POST /auth/factors/recovery-codes", "POST /auth/factors/passkeys/options", "POST /inference/{run}/cancel", "POST /v2/{endpoint}/cancel/{job}",
    "POST /v2/{endpoint}/retry/{job}", "POST /v2/{endpoint}/purge-queue", "POST /v1/responses/{response}/cancel", "POST /v1/batches/{batch}/cancel", "POST /v1/files",
    "POST /family/children/{user}/enter", "POST /account/deletion", "POST /oauth/token", "POST /oauth/revoke", "POST /oauth/userinfo", "POST /mail/unsubscribe/{token}",
}
FORMS: dict[str, Callable[[Ids], dict]] = {
    "POST /oauth/token": lambda ids: {"grant_type": "refresh_token", "refresh_token": ids.token, "client_id": "nobody"},
    "POST /oauth/revoke": lambda ids: {"token": ids.token, "client_id": "nobody"},
    "POST /mail/unsubscribe/{token}": lambda ids: {"List-Unsubscribe": "One-Click"},
}
QUERIES: dict[str, dict] = {
    "GET /billing/plan": {"storefront": "misaki"},
    "GET /billing/plans": {"storefront": "misaki"},
    "GET /billing/topups": {"storefront": "misaki"},
    "GET /billing/usage": {"storefront": "misaki"},
    "GET /billing/usage/days": {"storefront": "misaki", "month": "2026-11"},
    "GET /admin/figures": {"of": "2026-11"},
    "GET /billing/ledger": {"unit": "misaki.chat"},
    "GET /api/misaki/search": {"q": "話"},
    "DELETE /admin/misaki/phrases/{phrase}": {"revision": -1},
    "POST /admin/misaki/phrases/csv": {"revision": -1},
    "GET /audit/export": {"format": "jsonl"},
    "GET /oauth/authorize": {"client_id": "nobody", "response_type": "code", "redirect_uri": "https://client.example/back", "scope": "openid",
                             "state": "s", "code_challenge": "c" * 43, "code_challenge_method": "S256"},
}


# streams that go on as long as somebody listens
ENDLESS = {"GET /history/events"}
# what ends the session or replaces it, and what has to be taken back so that the walk can go on
ENDS = {"POST /auth/logout", "POST /account/deletion", "POST /auth/password"}
UNDONE_BY = {"POST /account/deletion": "DELETE /account/deletion"}


def documented(house: House) -> dict[str, str]:
    """Operation → the listener that serves it, from the listeners' own documents."""
    found = {}
    for listener in ("account", "inference"):
        paths = httpx.get(f"{getattr(house, listener)}/openapi.json").json()["paths"]
        for path, item in paths.items():
            found |= {f"{method.upper()} {path}": listener for method in METHODS if method in item and f"{method.upper()} {path}" not in found}
    return found


def known(operation: str) -> bool:
    """Whether the walk knows how to call it."""
    method, path = operation.split(" ", 1)
    filled = {meant(path, name) for name in re.findall(r"\{(\w+)\}", path)} <= {field.name for field in fields(Ids)}
    return operation in matrix() and filled and (method in ("GET", "DELETE") or operation in BODIES or operation in NO_BODY)


@dataclass
class Caller:
    """Somebody who calls operations, by cookie or by key."""

    name: str
    house: House
    person: Person | None = None
    secret: str | None = None
    ids: Ids = field(default_factory=Ids)
    token: str | None = None
    # how the same somebody comes in again, after an operation that ended or replaced the session
    comes_in: Callable[[], Person] | None = None
    http: httpx.Client = field(init=False)

    def __post_init__(self):
        if self.comes_in:
            self.person = self.comes_in()
        self.http = httpx.Client(timeout=30, transport=httpx.HTTPTransport(local_address=own_network(), verify=False))

    def account_headers(self) -> dict[str, str]:
        """What the account listener knows this caller by. Fixed, so that no answer can sign it in or out."""
        headers = {"origin": self.house.account, "accept": "application/json"}
        if self.secret:
            return headers | {"authorization": f"Bearer {self.secret}"}
        if self.person:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in dict(self.person.web.cookies).items())
        return headers

    def inference_headers(self) -> dict[str, str]:
        """What the inference listener knows it by."""
        if self.secret:
            return {"authorization": f"Bearer {self.secret}"}
        if self.token is None and self.person:
            plan = self.person.web.get("/billing/plan", params={"storefront": "misaki"})
            self.token = plan.json()["inference"]["token"] if plan.status_code == 200 else ""
        return {"authorization": f"Bearer {self.token}", "origin": self.house.account} if self.token else {}

    def call(self, operation: str, listener: str, ids: Ids | None = None, extra: dict | None = None) -> httpx.Response:
        """Calls an operation about some ids."""
        ids = ids or self.ids
        method, path = operation.split(" ", 1)
        filled = re.sub(r"\{(\w+)\}", lambda m: getattr(ids, meant(path, m[1])), path)
        headers = self.inference_headers() if listener == "inference" else self.account_headers()
        if operation in ("POST /misaki/messages", "POST /inference"):
            headers = headers | {"idempotency-key": str(uuid.uuid4())}
        if operation.startswith("POST /v1/messages"):
            headers = headers | {"anthropic-version": "2023-06-01"}
        said: dict = {"params": QUERIES.get(operation)}
        if operation in FORMS:
            said["data"] = FORMS[operation](ids)
        elif operation in BODIES:
            said["json"] = BODIES[operation](ids) | (extra or {})
        request = self.http.build_request(method, getattr(self.house, listener) + filled, headers=headers, **said)
        answer = self.http.send(request, stream=operation in ENDLESS)
        if operation in ENDLESS:
            said = b"" if answer.is_success else answer.read()
            answer.close()
            answer = httpx.Response(answer.status_code, headers=answer.headers, content=said, request=request)
        self.http.cookies.clear()
        if self.comes_in and ("set-cookie" in answer.headers or (operation in ENDS and answer.is_success)):
            self.person, self.token = self.comes_in(), None
            if operation in UNDONE_BY:
                self.call(UNDONE_BY[operation], listener)
        return answer


def text_of(answer: httpx.Response) -> str:
    """Every byte of an answer, also of its head."""
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return head + "\n" + answer.content.decode(errors="replace") + "\n" + json.dumps(unescaped(answer), ensure_ascii=False)


def unescaped(answer: httpx.Response):
    with contextlib.suppress(ValueError):
        return answer.json()


# --- the cast ----------------------------------------------------------------------------------------------------


def with_chat(person: Person, text: str) -> tuple[str, str]:
    """(chat, run) of one answered message."""
    sent = person.start(text)
    person.events(sent["run_id"])
    return sent["chat_id"], sent["run_id"]


def team(house: House, word: str, kind: str = "team") -> dict[str, Person]:
    """A tenant with an owner, an admin and a member; the word is in every text that they wrote."""
    roles = ("owner", "admin", "member")
    people = dict(zip(roles, proven(house, 3, display_name=f"{word} person"), strict=True))
    people["owner"].found(kind, f"{word} {kind}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda role: people["owner"].invite(people[role], role), roles[1:]))
    return people


def family(house: House, word: str) -> dict[str, Person]:
    """A family with a guardian and a child."""
    guardian = Person(house).join(display_name=f"{word} guardian").prove_address().found("family", f"{word} family")
    made = guardian.child(f"{word} kid"[:20], display_name=f"{word} child")
    child = child_at(house, made)
    child.made = made
    return {"guardian": guardian, "child": child}


def comes_in(person: Person) -> Callable[[], Person]:
    """How somebody comes in at a new browser and acts for the tenant that it acts for now."""
    if hasattr(person, "made"):
        return lambda: child_at(person.house, person.made)
    tenant = person.tenant
    return lambda: person.again().act_for(tenant)
