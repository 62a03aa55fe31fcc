import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { beginTotp, confirmTotp, newRecoveryCodes, removeTotp } from '../../api/identity'
import { factorsQuery } from '../../api/queries'
import type { Factors } from '../../api/types'
import { count } from '../../i18n/format'
import { formWords } from '../../i18n/formWords'
import { useLocale } from '../../i18n/locale'
import { securityWords } from '../../i18n/securityWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Copy } from '../../ui/Copy'
import { Icon } from '../../ui/Icon'
import { inGroups, plainDigits } from '../codes'
import { CodeField, Form, Summary } from '../form'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { Confirm } from './parts'
import { Qr } from './Qr'
import { RecoveryCodes } from './RecoveryCodes'

export function Totp({ factors }: { factors: Factors }) {
  const words = useWords(securityWords)
  const form = useWords(formWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const [code, setCode] = useState('')
  const [codes, setCodes] = useState<string[] | null>(null)
  const [removing, setRemoving] = useState(false)
  const refresh = () => queryClient.invalidateQueries({ queryKey: factorsQuery.queryKey })
  const begin = useGuarded({ mutationFn: beginTotp })
  const confirm = useMutation({
    mutationFn: () => confirmTotp(plainDigits(code)),
    onSuccess: (fresh) => {
      setCodes(fresh)
      setCode('')
      begin.reset()
      return refresh()
    },
  })
  const renew = useGuarded({
    mutationFn: newRecoveryCodes,
    onSuccess: (fresh) => {
      setCodes(fresh)
      return refresh()
    },
  })
  const remove = useGuarded({
    mutationFn: removeTotp,
    onSuccess: () => {
      setRemoving(false)
      setCodes(null)
      return refresh()
    },
  })
  const setup = begin.data
  return (
    <section className={styles['card']}>
      <div className={area['cardHead']}>
        <h2>{words.totp}</h2>
        <Badge tone={factors.totp ? 'accent' : 'plain'}>
          {factors.totp && <Icon name="check" size={14} />}
          {factors.totp ? words.on : words.off}
        </Badge>
      </div>
      <p className={styles['soft']}>{words.totpText}</p>
      <Summary error={begin.error ?? renew.error} />
      {codes && <RecoveryCodes codes={codes} onKept={() => setCodes(null)} />}
      {!factors.totp && !setup && !codes && (
        <div>
          <Button small look="primary" disabled={begin.isPending} onClick={() => begin.mutate()}>
            {words.totpBegin}
          </Button>
        </div>
      )}
      {setup && (
        <>
          <p>{words.totpScan}</p>
          <div className={area['qr']}>
            <Qr text={setup.uri} label={words.qr} />
            <Copy
              label={words.secret}
              value={setup.secret}
              shown={inGroups(setup.secret)}
              copy={form.copy}
              copied={form.copied}
            />
          </div>
          <Form
            run={confirm}
            check={() => (plainDigits(code) === '' ? { code: form.needCode } : {})}
            submit={words.totpConfirm}
            beside={
              <Button look="plain" onClick={() => begin.reset()}>
                {form.cancel}
              </Button>
            }
          >
            {(errors) => <CodeField label={words.totpCode} value={code} onChange={setCode} error={errors['code']} />}
          </Form>
        </>
      )}
      {factors.totp && !codes && (
        <>
          <p>{words.recoveryLeft(count(factors.recovery_codes_left, locale))}</p>
          <div className={styles['row']}>
            <Button small disabled={renew.isPending} onClick={() => renew.mutate()}>
              {words.recoveryNew}
            </Button>
            <Button small look="plain" onClick={() => setRemoving(true)}>
              {words.totpRemove}
            </Button>
          </div>
        </>
      )}
      {removing && (
        <Confirm
          title={words.totpRemove}
          text={words.totpRemoveText}
          act={words.totpRemove}
          run={remove}
          onClose={() => setRemoving(false)}
        />
      )}
    </section>
  )
}
