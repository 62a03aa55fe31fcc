import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { PlanOffer } from '../../api/billing'
import { inferenceUrl } from '../../api/inference'
import { meQuery } from '../../api/queries'
import { count, yen } from '../../i18n/format'
import { genaiLandingWords, genaiWords } from '../../i18n/genaiWords'
import { useLocale } from '../../i18n/locale'
import { welcomeWords } from '../../i18n/shellWords'
import { useWords } from '../../i18n/text'
import { Fetched } from '../../shell/account/parts'
import { grantLine } from '../../shell/billing/offers'
import { offersQuery } from '../../shell/billing/queries'
import { usePageTitle, useRoom } from '../../shell/page'
import { buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import styles from './genai.module.css'
import landing from './landing.module.css'
import { Snippets } from './parts'

const features = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6'] as const

function Plan({ offer }: { offer: PlanOffer }) {
  const words = useWords(genaiLandingWords)
  const locale = useLocale()
  return (
    <li className={styles['card']}>
      <h3>{offer.title[locale]}</h3>
      <p className={landing['price']}>
        {offer.price_yen === 0 ? (
          <b>{words.free}</b>
        ) : (
          <>
            <b>{yen(offer.price_yen, locale)}</b>
            <small>{words.month}</small>
          </>
        )}
      </p>
      <ul className={landing['lines']}>
        {offer.grants.map((grant) => (
          <li key={grant.unit}>
            <Icon name="check" size={16} />
            {grantLine(grant, locale)}
          </li>
        ))}
        <li>
          <Icon name="check" size={16} />
          {words.perMinute(count(offer.limits.per_minute, locale))}
        </li>
        <li>
          <Icon name="check" size={16} />
          {words.atOnce(count(offer.limits.concurrent, locale))}
        </li>
      </ul>
      <Link
        to={offer.price_yen === 0 ? '/genai/quickstart' : '/plans/$storefront'}
        params={{ storefront: 'genai' }}
        search={offer.price_yen === 0 ? {} : { plan: offer.id }}
        className={buttonClass({ wide: true })}
      >
        {offer.price_yen === 0 ? words.start : words.choose(offer.title[locale])}
      </Link>
    </li>
  )
}

export default function GenaiPage() {
  const words = useWords(genaiLandingWords)
  const console = useWords(genaiWords)
  const house = useWords(welcomeWords)
  const { data: me } = useQuery(meQuery)
  const offers = useQuery(offersQuery('genai'))
  useRoom('genai')
  usePageTitle(house.genai)
  return (
    <div className={landing['landing']}>
      <section className={landing['hero']}>
        <div>
          <p className={landing['name']}>{house.genai}</p>
          <h1>{words.title}</h1>
          <p className={landing['lead']}>{words.lead}</p>
          <div className={styles['row']}>
            <Link
              to={me?.user ? '/genai/quickstart' : '/sign-up'}
              search={me?.user ? {} : { next: '/genai/quickstart' }}
              className={buttonClass({ look: 'primary' })}
            >
              {me?.user ? words.goOn : words.start}
            </Link>
            <Link to="/genai/playground" className={buttonClass()}>
              {words.tryIt}
            </Link>
          </div>
        </div>
        <section className={styles['card']}>
          <h2>{words.firstCall}</h2>
          <Snippets
            call={{
              url: inferenceUrl(),
              key: null,
              ask: { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100 },
            }}
            note={words.firstCallText}
          />
        </section>
      </section>
      <section aria-labelledby="features">
        <h2 id="features">{words.features}</h2>
        <ul className={landing['features']}>
          {features.map((name) => (
            <li key={name}>
              <h3>{words[name]}</h3>
              <p>{words[`${name}Text`]}</p>
            </li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="pricing">
        <h2 id="pricing">{words.pricing}</h2>
        <p className={landing['lead']}>{words.pricingText}</p>
        <Fetched query={offers} height="18rem">
          {(all) => (
            <ul className={landing['plans']}>
              {all.map((offer) => (
                <Plan key={offer.id} offer={offer} />
              ))}
            </ul>
          )}
        </Fetched>
        <div className={styles['row']}>
          <Link to="/plans/$storefront" params={{ storefront: 'genai' }} className={buttonClass({ look: 'plain' })}>
            {words.compare}
          </Link>
          <Link to="/genai/catalog" className={buttonClass({ look: 'plain' })}>
            {words.models}
          </Link>
        </div>
      </section>
      <footer className={landing['foot']}>
        <Link to="/genai/docs">{console.docs}</Link>
        <Link to="/genai/status">{console.status}</Link>
      </footer>
    </div>
  )
}
