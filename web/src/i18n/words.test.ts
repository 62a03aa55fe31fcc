import { describe, expect, test } from 'vitest'
import { accountWords, quotaWords } from './accountWords'
import { actionWords, actorWords } from './actionWords'
import {
  adminWords,
  eventDeskWords,
  jobDeskWords,
  overviewDeskWords,
  planDeskWords,
  subscriptionDeskWords,
  tenantDeskWords,
  usageDeskWords,
} from './adminWords'
import { authWords, childWords } from './authWords'
import { autoTopUpWords } from './autoTopUpWords'
import {
  confirmWords,
  dailyWords,
  featureWords,
  lotWords,
  plansWords,
  receiptWords,
  resultWords,
  shopWords,
  standingWords,
  unitWords,
} from './billingWords'
import { budgetWords } from './budgetWords'
import { formWords } from './formWords'
import { docsWords } from './genaiDocsWords'
import { catalogWords, requestWords, statisticsWords, statusWords } from './genaiRecordWords'
import { retentionWords } from './genaiRetentionWords'
import { talkWords } from './genaiTalkWords'
import { genaiLandingWords, genaiPlayWords, genaiStartWords, genaiWords } from './genaiWords'
import { hookWords } from './hookWords'
import { areaWords, auditWords, dataWords, keyWords } from './keyWords'
import { legalWords } from './legalWords'
import { linkWords, mailboxWords } from './linkWords'
import { personaDeskWords, phraseDeskWords, routingDeskWords, verdictDeskWords } from './misakiDeskWords'
import { misakiWords } from './misakiWords'
import { modelDeskWords, providerDeskWords } from './modelDeskWords'
import { bannerWords, familyWords, memberWords, roleWords, tenantWords } from './peopleWords'
import { rewardWords } from './rewardWords'
import { roomWords } from './roomWords'
import { deviceWords, profileWords, securityWords, stepUpWords } from './securityWords'
import { comingWords, shellWords, welcomeWords } from './shellWords'
import { wordsOf } from './text'
import { topUpWords } from './topUpWords'
import { whyWords } from './whyWords'

const tables = {
  modelDeskWords,
  providerDeskWords,
  retentionWords,
  talkWords,
  rewardWords,
  accountWords,
  actionWords,
  actorWords,
  adminWords,
  areaWords,
  auditWords,
  authWords,
  autoTopUpWords,
  bannerWords,
  budgetWords,
  catalogWords,
  childWords,
  comingWords,
  confirmWords,
  dailyWords,
  dataWords,
  deviceWords,
  docsWords,
  eventDeskWords,
  familyWords,
  featureWords,
  formWords,
  genaiLandingWords,
  genaiPlayWords,
  genaiStartWords,
  genaiWords,
  hookWords,
  jobDeskWords,
  keyWords,
  legalWords,
  linkWords,
  lotWords,
  mailboxWords,
  memberWords,
  misakiWords,
  personaDeskWords,
  phraseDeskWords,
  routingDeskWords,
  verdictDeskWords,
  roomWords,
  overviewDeskWords,
  planDeskWords,
  plansWords,
  profileWords,
  quotaWords,
  receiptWords,
  requestWords,
  resultWords,
  roleWords,
  securityWords,
  shellWords,
  shopWords,
  standingWords,
  statisticsWords,
  statusWords,
  stepUpWords,
  subscriptionDeskWords,
  tenantDeskWords,
  tenantWords,
  topUpWords,
  unitWords,
  usageDeskWords,
  welcomeWords,
  whyWords,
}
// Proper names, and the word that is written in the other language on purpose.
const alike = new Set([
  'shopWords.webgpt',
  'shopWords.genai',
  'welcomeWords.webgpt',
  'welcomeWords.genai',
  'comingWords.webgptTitle',
])
const foreign = new Set(['shellWords.otherLanguage', ...alike])
const japanese = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u

const entries = Object.entries(tables).flatMap(([table, words]) =>
  Object.entries<{ ja: unknown; en: unknown }>(words).map(([key, pair]) => [`${table}.${key}`, pair] as const),
)

function spoken(wording: unknown): string {
  return typeof wording === 'function' ? String(wording('1', '2')) : String(wording)
}

describe('every message', () => {
  test.each(entries)('%s is there in both languages', (name, { ja, en }) => {
    expect(typeof ja).toBe(typeof en)
    expect(spoken(ja).trim()).not.toBe('')
    expect(spoken(en).trim()).not.toBe('')
    if (!alike.has(name)) expect(spoken(ja)).not.toBe(spoken(en))
    if (!foreign.has(name)) {
      expect(spoken(ja)).toMatch(japanese)
      expect(spoken(en)).not.toMatch(japanese)
    }
  })

  test('blames nobody and shouts at nobody', () => {
    for (const [, pair] of entries) expect(spoken(pair.ja) + spoken(pair.en)).not.toMatch(/[!！]/)
  })

  test('is chosen by language', () => {
    expect(wordsOf(shellWords, 'ja').signIn).toBe('サインイン')
    expect(wordsOf(shellWords, 'en').signIn).toBe('Sign in')
    expect(wordsOf(shellWords, 'ja')).toBe(wordsOf(shellWords, 'ja'))
  })
})
