import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { houseQuery } from '../api/queries'
import { authWords } from '../i18n/authWords'
import { useWords } from '../i18n/text'
import styles from './auth.module.css'
import { DemoLogins } from './DemoLogins'
import house from './house.module.css'
import { usePageTitle } from './page'
import { SignUpForm } from './SignUpForm'

const route = getRouteApi('/house/sign-up')

export default function SignUpPage() {
  const words = useWords(authWords)
  const search = route.useSearch()
  const { data } = useQuery(houseQuery)
  usePageTitle(words.signUp)
  return (
    <div className={house['narrow']}>
      <h1>{words.signUp}</h1>
      <p className={styles['lead']}>{words.signUpLead}</p>
      <SignUpForm next={search.next} />
      <p className={styles['other']}>
        {words.haveAccount}{' '}
        <Link to="/sign-in" search={search}>
          {words.signIn}
        </Link>
      </p>
      {data?.demo && <DemoLogins logins={data.demo_logins} next={search.next} />}
    </div>
  )
}
