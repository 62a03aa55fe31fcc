import { Link } from '@tanstack/react-router'
import { useEffect, useId, useRef, useState } from 'react'
import { describeProblem } from '../api/problem'
import type { Me } from '../api/types'
import { useLocale } from '../i18n/locale'
import { tenantWords } from '../i18n/peopleWords'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import { Icon } from '../ui/Icon'
import { Notice } from '../ui/Notice'
import styles from './house.module.css'
import { useActFor, useSignOut } from './leave'
import { useNameOf, useTenantName } from './people'

export function TenantMenu({ me }: { me: Me }) {
  const words = useWords(tenantWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const called = useNameOf()
  const nameOf = useTenantName()
  const id = useId()
  const box = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const [open, setOpen] = useState(false)
  const act = useActFor()
  const leave = useSignOut()
  const name = me.tenant.kind === 'person' ? me.user?.display_name || words.myself : nameOf(me.tenant)

  useEffect(() => {
    if (!open) return
    const outside = (event: Event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setOpen(false)
    }
    document.addEventListener('pointerdown', outside)
    document.addEventListener('focusin', outside)
    return () => {
      document.removeEventListener('pointerdown', outside)
      document.removeEventListener('focusin', outside)
    }
  }, [open])

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape closes what the button inside has opened
    <div
      ref={box}
      className={styles['menu']}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return
        setOpen(false)
        button.current?.focus()
      }}
    >
      <Button
        ref={button}
        look="plain"
        small
        aria-expanded={open}
        aria-controls={id}
        aria-label={`${words.menu}: ${name}`}
        onClick={() => setOpen(!open)}
      >
        <Icon name="person" />
        <span className={styles['who']}>{name}</span>
      </Button>
      <div id={id} className={styles['panel']} hidden={!open}>
        <p id={`${id}-title`}>{words.switchTo}</p>
        {act.error && <Notice tone="bad" role="alert" title={describeProblem(act.error, locale).summary} />}
        <ul aria-labelledby={`${id}-title`}>
          {me.tenants.map((tenant) => (
            <li key={tenant.id}>
              <button
                type="button"
                aria-current={tenant.id === me.tenant.id || undefined}
                disabled={act.isPending}
                onClick={() => {
                  setOpen(false)
                  if (tenant.id !== me.tenant.id) act.mutate(tenant.id)
                }}
              >
                <span>
                  <b>{nameOf(tenant)}</b>
                  <small>
                    {called(tenant.kind)} · {called(tenant.role)}
                  </small>
                </span>
                {tenant.id === me.tenant.id && <Icon name="check" size={16} />}
              </button>
            </li>
          ))}
        </ul>
        <ul>
          <li>
            <Link to="/account" onClick={() => setOpen(false)}>
              <Icon name="person" size={16} />
              {shell.account}
            </Link>
          </li>
          <li>
            <Link to="/account/new" onClick={() => setOpen(false)}>
              <Icon name="plus" size={16} />
              {words.create}
            </Link>
          </li>
          <li>
            <button type="button" disabled={leave.isPending} onClick={() => leave.mutate()}>
              <Icon name="out" size={16} />
              {words.signOut}
            </button>
          </li>
        </ul>
      </div>
    </div>
  )
}
