import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { issuerDoor } from '../api/identity'
import { houseQuery, issuersQuery } from '../api/queries'
import type { Me, SecondStep } from '../api/types'
import { passkeysWork } from '../api/webauthn'
import { authWords } from '../i18n/authWords'
import { useWords } from '../i18n/text'
import { buttonClass } from '../ui/Button'
import styles from './auth.module.css'
import { DemoLogins } from './DemoLogins'
import { useEnter } from './enter'
import { Summary } from './form'
import house from './house.module.css'
import { PasskeyButton } from './PasskeyButton'
import { usePageTitle } from './page'
import { SecondStepForm } from './SecondStepForm'
import { SignInForm } from './SignInForm'
import { usePasskeyOffer } from './usePasskeyOffer'

const route = getRouteApi('/house/sign-in')

export default function SignInPage() {
  const words = useWords(authWords)
  const enter = useEnter(route.useSearch().next)
  const [second, setSecond] = useState<SecondStep | null>(null)
  usePageTitle(second ? words.secondTitle : words.signIn)
  if (second) {
    return (
      <div className={house['narrow']}>
        <h1>{words.secondTitle}</h1>
        <SecondStepForm step={second} onEntered={enter} onStartOver={() => setSecond(null)} />
      </div>
    )
  }
  return <Ways onEntered={enter} onSecond={setSecond} />
}

function Ways({ onEntered, onSecond }: { onEntered: (me: Me) => void; onSecond: (step: SecondStep) => void }) {
  const words = useWords(authWords)
  const search = route.useSearch()
  const { data } = useQuery(houseQuery)
  const issuers = useQuery(issuersQuery)
  const offer = usePasskeyOffer(onEntered)
  const [email, setEmail] = useState('')
  return (
    <div className={house['narrow']}>
      <h1>{words.signIn}</h1>
      <p className={styles['lead']}>{words.signInLead}</p>
      <Summary error={offer.error} />
      <SignInForm email={email} onEmail={setEmail} onEntered={onEntered} onSecond={onSecond} />
      <ul className={styles['links']}>
        <li>
          <Link to="/forgot" state={{ email }}>
            {words.forgot}
          </Link>
        </li>
        <li>
          <Link to="/sign-in/child">{words.childSignsIn}</Link>
        </li>
      </ul>
      {(passkeysWork() || (issuers.data ?? []).length > 0) && (
        <section className={styles['ways']} aria-label={words.otherWays}>
          {passkeysWork() && (
            <PasskeyButton label={words.withPasskey} onEntered={onEntered} busy={offer.taken} onFailed={offer.again} />
          )}
          {issuers.data?.map((issuer) => (
            <a key={issuer.id} href={issuerDoor(issuer.id, search.next)} className={buttonClass({ wide: true })}>
              {words.withIssuer(issuer.name)}
            </a>
          ))}
        </section>
      )}
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
