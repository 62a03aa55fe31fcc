import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { changeEmail, changeMe, resendVerification } from '../../api/identity'
import { meQuery } from '../../api/queries'
import type { Locale, Me } from '../../api/types'
import { formWords } from '../../i18n/formWords'
import { chooseLocale } from '../../i18n/locale'
import { profileWords } from '../../i18n/securityWords'
import { useWords } from '../../i18n/text'
import { Badge } from '../../ui/Badge'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Icon } from '../../ui/Icon'
import { Select } from '../../ui/Select'
import { checkEmail } from '../authForm'
import { lengthOf } from '../codes'
import { Form, Summary } from '../form'
import { MailboxLink } from '../MailboxLink'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import area from './area.module.css'
import { Page } from './parts'
import { useFormFocus } from './useFormFocus'

type User = NonNullable<Me['user']>

function You({ user }: { user: User }) {
  const words = useWords(profileWords)
  const form = useWords(formWords)
  const queryClient = useQueryClient()
  const [name, setName] = useState(user.display_name)
  const [locale, setLocale] = useState<Locale>(user.locale)
  const save = useMutation({
    mutationFn: () => changeMe({ display_name: name.trim(), locale }),
    onSuccess: (me) => {
      queryClient.setQueryData(meQuery.queryKey, me)
      if (locale !== user.locale) chooseLocale(locale)
    },
  })
  return (
    <section className={styles['card']}>
      <h2>{words.you}</h2>
      <Form
        run={save}
        check={() => (lengthOf(name) > 50 ? { display_name: form.longName } : {})}
        submit={form.save}
        beside={
          <span role="status" className={area['good']}>
            {save.isSuccess ? form.saved : ''}
          </span>
        }
      >
        {(errors) => (
          <>
            <Field
              label={words.displayName}
              name="display_name"
              autoComplete="nickname"
              value={name}
              onChange={(event) => setName(event.target.value)}
              error={errors['display_name']}
            />
            <Select
              label={words.language}
              name="locale"
              value={locale}
              onChange={(event) => setLocale(event.target.value === 'en' ? 'en' : 'ja')}
              options={[
                { value: 'ja', text: '日本語' },
                { value: 'en', text: 'English' },
              ]}
            />
          </>
        )}
      </Form>
    </section>
  )
}

function Email({ user }: { user: User }) {
  const words = useWords(profileWords)
  const form = useWords(formWords)
  const [changing, setChanging] = useState(false)
  const { around, opener } = useFormFocus(changing)
  const [email, setEmail] = useState('')
  const resend = useMutation({ mutationFn: resendVerification })
  const change = useGuarded({ mutationFn: () => changeEmail(email), onSuccess: () => setChanging(false) })
  return (
    <section ref={around} className={styles['card']}>
      <h2>{words.email}</h2>
      <p className={area['title']}>
        {user.email ?? words.noEmail}
        {user.email && (
          <Badge tone={user.email_verified ? 'accent' : 'warn'}>
            <Icon name={user.email_verified ? 'check' : 'warn'} size={14} />
            {user.email_verified ? words.verified : words.unverified}
          </Badge>
        )}
      </p>
      <Summary error={resend.error} />
      {change.isSuccess && !changing && (
        <>
          <p role="status">{words.changeSent(email)}</p>
          <div>
            <MailboxLink small />
          </div>
        </>
      )}
      {changing ? (
        <Form
          run={change}
          check={() => checkEmail(email, form)}
          submit={words.changeDo}
          beside={
            <Button look="plain" onClick={() => setChanging(false)}>
              {form.cancel}
            </Button>
          }
        >
          {(errors) => (
            <Field
              label={words.newEmail}
              hint={words.changeHint}
              type="email"
              name="email"
              autoComplete="email"
              inputMode="email"
              autoCapitalize="none"
              spellCheck={false}
              required
              value={email}
              onChange={(event) => setEmail(event.target.value)}
              error={errors['email']}
            />
          )}
        </Form>
      ) : (
        <div className={styles['row']}>
          {user.email && !user.email_verified && (
            <Button small disabled={resend.isPending || resend.isSuccess} onClick={() => resend.mutate()}>
              {resend.isSuccess ? words.resent : words.resend}
            </Button>
          )}
          <Button
            ref={opener}
            small
            onClick={() => {
              change.reset()
              setEmail('')
              setChanging(true)
            }}
          >
            {words.change}
          </Button>
        </div>
      )}
    </section>
  )
}

export default function ProfilePage() {
  const words = useWords(profileWords)
  const { data: me } = useQuery(meQuery)
  return (
    <Page title={words.title} lead={words.lead}>
      {me?.user && (
        <>
          <You user={me.user} />
          <Email user={me.user} />
        </>
      )}
    </Page>
  )
}
