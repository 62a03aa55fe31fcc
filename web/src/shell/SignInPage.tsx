import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { houseQuery } from '../api/queries'
import { authWords } from '../i18n/authWords'
import { useWords } from '../i18n/text'
import { AuthForm } from './AuthForm'
import styles from './auth.module.css'
import { DemoLogins } from './DemoLogins'
import house from './house.module.css'
import { usePageTitle } from './page'

const route = getRouteApi('/house/sign-in')

export default function SignInPage() {
  const words = useWords(authWords)
  const search = route.useSearch()
  const { data } = useQuery(houseQuery)
  usePageTitle(words.signIn)
  return (
    <div className={house['narrow']}>
      <h1>{words.signIn}</h1>
      <p className={styles['lead']}>{words.signInLead}</p>
      <AuthForm mode="sign-in" next={search.next} />
      <p className={styles['other']}>
        {words.noAccount}{' '}
        <Link to="/sign-up" search={search}>
          {words.signUp}
        </Link>
      </p>
      {data?.demo && <DemoLogins logins={data.demo_logins} next={search.next} />}
    </div>
  )
}
