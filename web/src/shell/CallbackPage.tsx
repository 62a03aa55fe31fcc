import { Link } from '@tanstack/react-router'
import { whoAmI } from '../api/account'
import { answerIssuer } from '../api/identity'
import { describeProblem } from '../api/problem'
import type { IssuerAnswer, Me } from '../api/types'
import { authWords } from '../i18n/authWords'
import { useLocale } from '../i18n/locale'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { buttonClass } from '../ui/Button'
import { CurtainWaiting } from '../ui/Noren'
import { Notice } from '../ui/Notice'
import styles from './auth.module.css'
import { useEnterAt } from './enter'
import { useHanded } from './handed'
import house from './house.module.css'
import { useOnce } from './once'
import { usePageTitle } from './page'
import { safeNext } from './paths'

// A second tab, or a page loaded again, comes with an answer that was already taken: whoever is signed in by then goes on.
async function takeOver(answer: IssuerAnswer): Promise<Me & { next?: string | null }> {
  try {
    return await answerIssuer(answer)
  } catch (error) {
    const me = await whoAmI().catch(() => null)
    if (me?.user) return me
    throw error
  }
}

export default function CallbackPage() {
  const words = useWords(authWords)
  const shell = useWords(shellWords)
  const locale = useLocale()
  const { query } = useHanded('/auth/callback')
  const code = query.get('code')
  const state = query.get('state')
  const refused = query.get('error')
  const enter = useEnterAt()
  const run = useOnce(code && state && !refused ? state : null, async () => {
    const iss = query.get('iss')
    const { next, ...me } = await takeOver({ code, state, ...(iss === null ? {} : { iss }) })
    enter(me, safeNext(next) ?? '/account')
  })
  const failed = refused !== null || run.error !== null || !code || !state
  usePageTitle(failed ? words.callbackFailed : words.callbackTitle)
  if (!failed) {
    return (
      <div className={house['narrow']}>
        <h1>{words.callbackTitle}</h1>
        <CurtainWaiting words={words.callbackWait} />
      </div>
    )
  }
  const problem = run.error ? describeProblem(run.error, locale) : null
  const said =
    problem?.summary ??
    (refused === null
      ? words.callbackEmpty
      : refused === 'access_denied'
        ? words.callbackDenied
        : words.callbackTrouble)
  return (
    <div className={house['narrow']}>
      <h1>{words.callbackFailed}</h1>
      <div className={styles['after']}>
        <Notice
          tone={refused === null && !problem ? 'info' : 'bad'}
          role="alert"
          title={said}
          request={problem?.requestId ? { label: shell.requestId, id: problem.requestId } : null}
        />
        <Link to="/sign-in" className={buttonClass({ look: 'primary' })}>
          {words.backToSignIn}
        </Link>
      </div>
    </div>
  )
}
