import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { signInAsDemo } from '../api/account'
import { describeProblem } from '../api/problem'
import { becomeSomeone } from '../api/queries'
import type { DemoLogin } from '../api/types'
import { useLocale } from '../i18n/locale'
import { welcomeWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import { Notice } from '../ui/Notice'
import styles from './welcome.module.css'

export function DemoLogins({ logins, next }: { logins: readonly DemoLogin[]; next?: string | undefined }) {
  const words = useWords(welcomeWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const enter = useMutation({
    mutationFn: (login: DemoLogin) => signInAsDemo(login.as),
    onSuccess: async (me, login) => {
      becomeSomeone(queryClient, me)
      await navigate({ to: next ?? (login.as === 'operator' ? '/admin' : '/misaki') })
    },
  })
  if (logins.length === 0) return null
  return (
    <section className={styles['card']}>
      <h2>{words.demoTitle}</h2>
      <p>{words.demoText}</p>
      {enter.error && <Notice tone="bad" role="alert" title={describeProblem(enter.error, locale).summary} />}
      <ul className={styles['demo']}>
        {logins.map((login) => (
          <li key={login.as}>
            <span>
              <b id={`demo-${login.as}`}>{login.title[locale]}</b>
              {login.email && login.password && (
                <small>
                  <code>{login.email}</code> / <span className="visually-hidden">{words.password} </span>
                  <code>{login.password}</code>
                </small>
              )}
            </span>
            <Button
              small
              id={`demo-enter-${login.as}`}
              aria-labelledby={`demo-${login.as} demo-enter-${login.as}`}
              disabled={enter.isPending}
              onClick={() => enter.mutate(login)}
            >
              {words.demoEnter}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}
