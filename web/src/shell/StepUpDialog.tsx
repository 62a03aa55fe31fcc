import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { issuerDoor, stepUp } from '../api/identity'
import { factorsQuery, issuersQuery, meQuery } from '../api/queries'
import type { Factors, Proof } from '../api/types'
import { askPasskey, passkeysWork } from '../api/webauthn'
import { authWords } from '../i18n/authWords'
import { formWords } from '../i18n/formWords'
import { stepUpWords } from '../i18n/securityWords'
import { useWords } from '../i18n/text'
import { Button, buttonClass } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { Icon } from '../ui/Icon'
import { Segments } from '../ui/Segments'
import { Skeleton } from '../ui/Skeleton'
import { Failed } from './account/parts'
import { plainCode } from './codes'
import { CodeField, Form, PasswordField, Summary } from './form'
import type { StepUpAsked } from './stepUp'

type Way = 'passkey' | 'code' | 'password'

// The quickest first, and what most people have last. Where an authenticator is set up, a password alone proves too little.
export function waysOf(factors: Factors, withPasskeys: boolean): Way[] {
  const ways: Way[] = []
  if (factors.passkeys.length > 0 && withPasskeys) ways.push('passkey')
  if (factors.totp) ways.push('code')
  if (factors.password && !factors.totp) ways.push('password')
  return ways
}

// An account that only an issuer lets in proves itself there, and comes back to this page.
function Nothing({ onLeave }: { onLeave: () => void }) {
  const words = useWords(stepUpWords)
  const auth = useWords(authWords)
  const issuers = useQuery(issuersQuery)
  const here = window.location.pathname
  return (
    <>
      <p>{words.nothing}</p>
      {issuers.data?.map((issuer) => (
        <a key={issuer.id} href={issuerDoor(issuer.id, here, true)} className={buttonClass({ wide: true })}>
          {auth.withIssuer(issuer.name)}
        </a>
      ))}
      {issuers.data?.length === 0 && (
        <Link to="/sign-in" search={{ next: here }} className={buttonClass({ look: 'primary' })} onClick={onLeave}>
          {words.again}
        </Link>
      )}
    </>
  )
}

export function StepUpDialog({ asked }: { asked: StepUpAsked }) {
  const words = useWords(stepUpWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const factors = useQuery(factorsQuery)
  const [chosen, setChosen] = useState<Way | null>(null)
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const ways = factors.data ? waysOf(factors.data, passkeysWork()) : []
  const way = chosen ?? ways[0] ?? null
  const prove = useMutation({
    mutationFn: async () => {
      const proof: Proof =
        way === 'passkey' ? await askPasskey() : way === 'code' ? { code: plainCode(code) } : { password }
      return stepUp(proof)
    },
    onSuccess: (me) => {
      queryClient.setQueryData(meQuery.queryKey, me)
      asked.proved()
    },
  })
  const check = () => {
    if (way === 'code' && code.trim() === '') return { code: form.needCode }
    if (way === 'password' && password === '') return { password: form.needPassword }
    return {}
  }
  return (
    <Dialog title={words.title} closeLabel={form.close} onClose={asked.declined}>
      <p>{words.lead}</p>
      {factors.isPending && <Skeleton height="8rem" />}
      {factors.error && <Failed error={factors.error} retry={() => factors.refetch()} />}
      {ways.length > 1 && way && (
        <Segments
          label={words.by}
          value={way}
          onChange={(next) => {
            prove.reset()
            setChosen(next)
          }}
          options={ways.map((value) => ({ value, text: words[value] }))}
        />
      )}
      {way === 'passkey' && (
        <>
          <Summary error={prove.error} />
          <Button look="primary" disabled={prove.isPending} onClick={() => prove.mutate()}>
            <Icon name="key" />
            {words.passkeyDo}
          </Button>
        </>
      )}
      {(way === 'code' || way === 'password') && (
        <Form key={way} run={prove} check={check} submit={words.confirm}>
          {(errors) =>
            way === 'code' ? (
              <CodeField
                label={words.codeField}
                hint={words.codeHint}
                digits={false}
                value={code}
                onChange={setCode}
                error={errors['code']}
              />
            ) : (
              <PasswordField
                label={words.password}
                value={password}
                onChange={setPassword}
                error={errors['password']}
              />
            )
          }
        </Form>
      )}
      {factors.data && ways.length === 0 && <Nothing onLeave={asked.declined} />}
    </Dialog>
  )
}
