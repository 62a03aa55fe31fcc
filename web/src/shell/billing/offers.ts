import type { Feature, PlanOffer } from '../../api/billing'
import type { Locale } from '../../api/types'
import { featureWords, plansWords } from '../../i18n/billingWords'
import { count } from '../../i18n/format'
import { wordsOf } from '../../i18n/text'
import { amountOf, unitName } from '../../i18n/units'

type Grant = PlanOffer['grants'][number]

export function grantAmount(grant: Grant, locale: Locale): string {
  const words = wordsOf(plansWords, locale)
  const amount = words[grant.every](amountOf(grant.unit, grant.amount, locale))
  const roll = grant.roll_over
  if (!roll) return amount
  return amount + words.rolls(amountOf(grant.unit, roll.most, locale), count(roll.months, locale))
}

export function grantLine(grant: Grant, locale: Locale): string {
  return `${unitName(grant.unit, locale)}${locale === 'ja' ? ' ' : ': '}${grantAmount(grant, locale)}`
}

// A feature that this page has no word for keeps the name that the plan gives it.
export function featureName(name: string, locale: Locale): string {
  const words = wordsOf(featureWords, locale) as Record<string, string>
  return words[name] ?? name.replace(/_/g, ' ')
}

export function featureValue(value: Feature | undefined, locale: Locale): string {
  const words = wordsOf(plansWords, locale)
  if (value === undefined || value === false) return words.no
  if (value === true) return words.yes
  return typeof value === 'number' ? count(value, locale) : value
}

// Every unit and feature that one of the plans has, in the order in which they first come up.
export function unitsOf(offers: readonly PlanOffer[]): string[] {
  return [...new Set(offers.flatMap(({ grants }) => grants.map(({ unit }) => unit)))]
}

export function featuresOf(offers: readonly PlanOffer[]): string[] {
  return [...new Set(offers.flatMap(({ features = {} }) => Object.keys(features)))]
}
