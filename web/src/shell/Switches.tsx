import { chooseLocale, useLocale } from '../i18n/locale'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { Button } from '../ui/Button'
import { Icon, type IconName } from '../ui/Icon'
import { Segments } from '../ui/Segments'
import { chooseScheme, type Scheme, schemes, useScheme } from './scheme'

const icons = { system: 'auto', light: 'sun', dark: 'moon' } as const satisfies Record<Scheme, IconName>

function useSchemeNames(): Record<Scheme, string> {
  const words = useWords(shellWords)
  return { system: words.schemeSystem, light: words.schemeLight, dark: words.schemeDark }
}

export function LanguageButton() {
  const words = useWords(shellWords)
  const other = useLocale() === 'ja' ? 'en' : 'ja'
  return (
    <Button look="plain" small lang={other} onClick={() => chooseLocale(other)}>
      {words.otherLanguage}
    </Button>
  )
}

// One press goes to the next of the three; the full choice is on the account page.
export function SchemeButton() {
  const words = useWords(shellWords)
  const names = useSchemeNames()
  const scheme = useScheme()
  const next = schemes[(schemes.indexOf(scheme) + 1) % schemes.length] ?? 'system'
  const label = `${words.scheme}: ${names[scheme]}`
  return (
    <Button look="plain" small icon aria-label={label} title={label} onClick={() => chooseScheme(next)}>
      <Icon name={icons[scheme]} />
    </Button>
  )
}

export function LanguageChoice() {
  const words = useWords(shellWords)
  return (
    <Segments
      label={words.language}
      value={useLocale()}
      onChange={chooseLocale}
      options={[
        { value: 'ja', text: '日本語', lang: 'ja' },
        { value: 'en', text: 'English', lang: 'en' },
      ]}
    />
  )
}

export function SchemeChoice() {
  const words = useWords(shellWords)
  const names = useSchemeNames()
  return (
    <Segments
      label={words.scheme}
      value={useScheme()}
      onChange={chooseScheme}
      options={schemes.map((scheme) => ({ value: scheme, text: names[scheme], icon: icons[scheme] }))}
    />
  )
}
