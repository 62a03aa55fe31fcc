import { accountWords } from '../../i18n/accountWords'
import { useWords } from '../../i18n/text'
import { LanguageChoice, SchemeChoice } from '../Switches'
import styles from './account.module.css'

export function Display() {
  const words = useWords(accountWords)
  return (
    <section className={styles['card']}>
      <h2>{words.settings}</h2>
      <div className={styles['row']}>
        <LanguageChoice />
        <SchemeChoice />
      </div>
    </section>
  )
}
