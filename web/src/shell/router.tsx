import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  type RouterHistory,
} from '@tanstack/react-router'
import { shellWords } from '../i18n/shellWords'
import { useWords } from '../i18n/text'
import { playSearch, requestsSearch, statisticsSearch } from '../storefronts/genai/search'
import { CurtainWaiting } from '../ui/Noren'
import {
  deskEventsSearch,
  deskFeedbackSearch,
  deskFiguresSearch,
  deskJobsSearch,
  deskPlansSearch,
  deskSubscriptionsSearch,
  deskTenantsSearch,
  deskUsageSearch,
  hooksSearch,
} from './admin/search'
import { HouseLayout } from './HouseLayout'
import { Broken, NotFound } from './NotFound'
import { plansSearch, resultSearch, rewardsSearch, safeNext, standingSearch, topUpsSearch, unitSearch } from './paths'
import { SpokenTitle } from './SpokenTitle'
import { StepUpHost } from './StepUpHost'
import { Welcome } from './Welcome'

function Root() {
  const words = useWords(shellWords)
  return (
    <>
      <a className="skip-link" href="#main">
        {words.skip}
      </a>
      <Outlet />
      <SpokenTitle />
      <StepUpHost />
    </>
  )
}

function Waiting() {
  const words = useWords(shellWords)
  return <CurtainWaiting words={words.loading} />
}

const rootRoute = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Root,
  notFoundComponent: NotFound,
})

const houseRoute = createRoute({ getParentRoute: () => rootRoute, id: 'house', component: HouseLayout })

const welcomeRoute = createRoute({ getParentRoute: () => houseRoute, path: '/', component: Welcome })

// What is not accepted must be named as absent: the router keeps what a validation leaves out.
function nextSearch(search: Record<string, unknown>): { next?: string | undefined } {
  return { next: safeNext(search['next']) }
}

// The code of a family may come with a bookmark on a child's device. It is no secret: it takes a name and a PIN beside it.
function familySearch(search: Record<string, unknown>): { family?: string | undefined } {
  const family = search['family']
  return { family: typeof family === 'string' && /^[a-z0-9]{1,16}$/i.test(family) ? family : undefined }
}

const signInRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/sign-in',
  validateSearch: nextSearch,
  component: lazyRouteComponent(() => import('./SignInPage')),
})

const childSignInRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/sign-in/child',
  validateSearch: familySearch,
  component: lazyRouteComponent(() => import('./ChildSignInPage')),
})

const signUpRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/sign-up',
  validateSearch: nextSearch,
  component: lazyRouteComponent(() => import('./SignUpPage')),
})

const forgotRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/forgot',
  component: lazyRouteComponent(() => import('./ForgotPage')),
})

const callbackRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/auth/callback',
  component: lazyRouteComponent(() => import('./CallbackPage')),
})

const verifyRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/link/verify',
  component: lazyRouteComponent(() => import('./link/VerifyPage')),
})

const resetRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/link/reset',
  component: lazyRouteComponent(() => import('./link/ResetPage')),
})

const emailRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/link/email',
  component: lazyRouteComponent(() => import('./link/EmailPage')),
})

const inviteRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/link/invite',
  component: lazyRouteComponent(() => import('./link/InvitePage')),
})

const unsubscribeRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/unsubscribe',
  component: lazyRouteComponent(() => import('./link/UnsubscribePage')),
})

const mailboxRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/sandbox/mailbox',
  component: lazyRouteComponent(() => import('./MailboxPage')),
})

const accountRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/account',
  component: lazyRouteComponent(() => import('./account/AreaPage')),
})

const overviewRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/',
  component: lazyRouteComponent(() => import('./account/OverviewPage')),
})

const profileRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/profile',
  component: lazyRouteComponent(() => import('./account/ProfilePage')),
})

const securityRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/security',
  component: lazyRouteComponent(() => import('./account/SecurityPage')),
})

const devicesRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/devices',
  component: lazyRouteComponent(() => import('./account/DevicesPage')),
})

const keysRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/keys',
  component: lazyRouteComponent(() => import('./account/KeysPage')),
})

const hooksRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/hooks',
  validateSearch: hooksSearch,
  component: lazyRouteComponent(() => import('./account/HooksPage')),
})

const membersRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/members',
  component: lazyRouteComponent(() => import('./account/MembersPage')),
})

const familyRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/family',
  component: lazyRouteComponent(() => import('./account/FamilyPage')),
})

const auditRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/audit',
  component: lazyRouteComponent(() => import('./account/AuditPage')),
})

const standingRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/plan',
  validateSearch: standingSearch,
  component: lazyRouteComponent(() => import('./billing/StandingPage')),
})

const receiptsRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/receipts',
  component: lazyRouteComponent(() => import('./billing/ReceiptsPage')),
})

const receiptRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/receipts/$receiptId',
  component: lazyRouteComponent(() => import('./billing/ReceiptPage')),
})

const balancesRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/ledger',
  validateSearch: unitSearch,
  component: lazyRouteComponent(() => import('./billing/LedgerPage')),
})

const rewardsRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/rewards',
  validateSearch: rewardsSearch,
  component: lazyRouteComponent(() => import('./billing/RewardsPage')),
})

const plansRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/plans/$storefront',
  validateSearch: plansSearch,
  component: lazyRouteComponent(() => import('./billing/PlansPage')),
})

const confirmRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/billing/confirm/$storefront/$plan',
  component: lazyRouteComponent(() => import('./billing/ConfirmPage')),
})

const resultRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/billing/result',
  validateSearch: resultSearch,
  component: lazyRouteComponent(() => import('./billing/ResultPage')),
})

const topUpsRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/billing/topups/$storefront',
  validateSearch: topUpsSearch,
  component: lazyRouteComponent(() => import('./billing/TopUpsPage')),
})

const dataRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/data',
  component: lazyRouteComponent(() => import('./account/DataPage')),
})

const newTenantRoute = createRoute({
  getParentRoute: () => accountRoute,
  path: '/new',
  component: lazyRouteComponent(() => import('./account/NewTenantPage')),
})

const rooms = async () => (await import('./admin/rooms')).rooms

const adminRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/admin',
  component: lazyRouteComponent(rooms, 'Console'),
})

const adminOverviewRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/',
  component: lazyRouteComponent(rooms, 'Overview'),
})

const adminPlansRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/plans',
  validateSearch: deskPlansSearch,
  component: lazyRouteComponent(rooms, 'Plans'),
})

const adminTenantsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/tenants',
  validateSearch: deskTenantsSearch,
  component: lazyRouteComponent(rooms, 'Tenants'),
})

const adminTenantRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/tenants/$tenant',
  component: lazyRouteComponent(rooms, 'Tenant'),
})

const adminSubscriptionsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/subscriptions',
  validateSearch: deskSubscriptionsSearch,
  component: lazyRouteComponent(rooms, 'Subscriptions'),
})

const adminEventsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/events',
  validateSearch: deskEventsSearch,
  component: lazyRouteComponent(rooms, 'Events'),
})

const adminJobsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/jobs',
  validateSearch: deskJobsSearch,
  component: lazyRouteComponent(rooms, 'Jobs'),
})

const adminUsageRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/usage',
  validateSearch: deskUsageSearch,
  component: lazyRouteComponent(rooms, 'Usage'),
})

const adminFiguresRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/figures',
  validateSearch: deskFiguresSearch,
  component: lazyRouteComponent(rooms, 'Figures'),
})

const adminRoutingRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/routing',
  component: lazyRouteComponent(rooms, 'Routing'),
})

const adminModelsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/models',
  component: lazyRouteComponent(rooms, 'Models'),
})

const adminProvidersRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/providers',
  component: lazyRouteComponent(rooms, 'Providers'),
})

const adminPhrasesRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/phrases',
  component: lazyRouteComponent(rooms, 'Phrases'),
})

const adminPersonaRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/persona',
  component: lazyRouteComponent(rooms, 'Persona'),
})

const adminFeedbackRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: '/desk/feedback',
  validateSearch: deskFeedbackSearch,
  component: lazyRouteComponent(rooms, 'Verdicts'),
})

const webgptRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/webgpt',
  component: lazyRouteComponent(() => import('../storefronts/webgpt/WebgptPage')),
})

const genaiRooms = async () => (await import('../storefronts/genai/rooms')).rooms

const genaiRoute = createRoute({ getParentRoute: () => houseRoute, path: '/genai' })

const genaiLandingRoute = createRoute({
  getParentRoute: () => genaiRoute,
  path: '/',
  component: lazyRouteComponent(() => import('../storefronts/genai/GenaiPage')),
})

const genaiConsoleRoute = createRoute({
  getParentRoute: () => genaiRoute,
  id: 'console',
  component: lazyRouteComponent(genaiRooms, 'Console'),
})

const genaiStartRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/quickstart',
  component: lazyRouteComponent(genaiRooms, 'Start'),
})

const genaiPlaygroundRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/playground',
  validateSearch: playSearch,
  component: lazyRouteComponent(genaiRooms, 'Playground'),
})

const genaiRequestsRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/requests',
  validateSearch: requestsSearch,
  component: lazyRouteComponent(genaiRooms, 'Requests'),
})

const genaiRequestRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/requests/$requestId',
  component: lazyRouteComponent(genaiRooms, 'Request'),
})

const genaiBatchesRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/batches',
  component: lazyRouteComponent(genaiRooms, 'Batches'),
})

const genaiStatisticsRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/statistics',
  validateSearch: statisticsSearch,
  component: lazyRouteComponent(genaiRooms, 'Statistics'),
})

const genaiCatalogRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/catalog',
  component: lazyRouteComponent(genaiRooms, 'Catalog'),
})

const genaiStatusRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/status',
  component: lazyRouteComponent(genaiRooms, 'StatusBoard'),
})

// Not below `/genai/retention`, which is an operation.
const genaiRetentionRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/settings/retention',
  component: lazyRouteComponent(genaiRooms, 'Retention'),
})

const genaiDocsRoute = createRoute({
  getParentRoute: () => genaiConsoleRoute,
  path: '/docs',
  component: lazyRouteComponent(genaiRooms, 'Docs'),
})

const legalPage = () => import('./legal/LegalPage')

const termsRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/legal/terms',
  component: lazyRouteComponent(legalPage),
})

const tokushohoRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/legal/tokushoho',
  component: lazyRouteComponent(legalPage),
})

const privacyRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/legal/privacy',
  component: lazyRouteComponent(legalPage),
})

const naraiRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/narai',
  component: lazyRouteComponent(() => import('../storefronts/narai/NaraiPage')),
})

// A shared talk stands in the house's frame: whoever reads it need not come into the bar.
const sharedRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/misaki/s/$token',
  component: lazyRouteComponent(() => import('../storefronts/misaki/SharedPage')),
})

// The room stays mounted while its conversations change, so a first message does not tear down its own page.
const misakiRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/misaki',
  component: lazyRouteComponent(() => import('../storefronts/misaki/MisakiPage')),
})
const misakiEntranceRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/' })
const misakiPassingRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/passing' })
const misakiMemoryRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/memory' })
const misakiMovingRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/moving' })
const misakiChatRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/chat/$chatId' })

const routeTree = rootRoute.addChildren([
  houseRoute.addChildren([
    welcomeRoute,
    signInRoute,
    childSignInRoute,
    signUpRoute,
    forgotRoute,
    callbackRoute,
    verifyRoute,
    resetRoute,
    emailRoute,
    inviteRoute,
    unsubscribeRoute,
    mailboxRoute,
    accountRoute.addChildren([
      overviewRoute,
      profileRoute,
      securityRoute,
      devicesRoute,
      keysRoute,
      hooksRoute,
      membersRoute,
      familyRoute,
      auditRoute,
      dataRoute,
      standingRoute,
      receiptsRoute,
      receiptRoute,
      balancesRoute,
      rewardsRoute,
      newTenantRoute,
    ]),
    plansRoute,
    topUpsRoute,
    confirmRoute,
    resultRoute,
    adminRoute.addChildren([
      adminOverviewRoute,
      adminPlansRoute,
      adminTenantsRoute,
      adminTenantRoute,
      adminSubscriptionsRoute,
      adminEventsRoute,
      adminJobsRoute,
      adminUsageRoute,
      adminFiguresRoute,
      adminRoutingRoute,
      adminModelsRoute,
      adminProvidersRoute,
      adminPhrasesRoute,
      adminPersonaRoute,
      adminFeedbackRoute,
    ]),
    webgptRoute,
    genaiRoute.addChildren([
      genaiLandingRoute,
      genaiConsoleRoute.addChildren([
        genaiStartRoute,
        genaiPlaygroundRoute,
        genaiRequestsRoute,
        genaiRequestRoute,
        genaiStatisticsRoute,
        genaiCatalogRoute,
        genaiStatusRoute,
        genaiBatchesRoute,
        genaiRetentionRoute,
        genaiDocsRoute,
      ]),
    ]),
    naraiRoute,
    termsRoute,
    privacyRoute,
    tokushohoRoute,
    sharedRoute,
  ]),
  misakiRoute.addChildren([
    misakiEntranceRoute,
    misakiPassingRoute,
    misakiMemoryRoute,
    misakiMovingRoute,
    misakiChatRoute,
  ]),
])

export function createHouseRouter(queryClient: QueryClient, history?: RouterHistory) {
  return createRouter({
    routeTree,
    ...(history ? { history } : {}),
    context: { queryClient },
    defaultPreload: 'intent',
    defaultPendingComponent: Waiting,
    defaultErrorComponent: Broken,
    scrollRestoration: true,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createHouseRouter>
  }
  interface HistoryState {
    /** An address that was typed on the page before. */
    email?: string
  }
}
