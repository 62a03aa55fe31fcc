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
import { CurtainWaiting } from '../ui/Noren'
import { HouseLayout } from './HouseLayout'
import { Broken, NotFound } from './NotFound'
import { safeNext } from './paths'
import { Welcome } from './Welcome'

function Root() {
  const words = useWords(shellWords)
  return (
    <>
      <a className="skip-link" href="#main">
        {words.skip}
      </a>
      <Outlet />
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

function nextSearch(search: Record<string, unknown>): { next?: string } {
  const next = safeNext(search['next'])
  return next === undefined ? {} : { next }
}

const signInRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/sign-in',
  validateSearch: nextSearch,
  component: lazyRouteComponent(() => import('./SignInPage')),
})

const signUpRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/sign-up',
  validateSearch: nextSearch,
  component: lazyRouteComponent(() => import('./SignUpPage')),
})

const accountRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/account',
  component: lazyRouteComponent(() => import('./account/AccountPage')),
})

const webgptRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/webgpt',
  component: lazyRouteComponent(() => import('../storefronts/webgpt/WebgptPage')),
})

const genaiRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/genai',
  component: lazyRouteComponent(() => import('../storefronts/genai/GenaiPage')),
})

const naraiRoute = createRoute({
  getParentRoute: () => houseRoute,
  path: '/narai',
  component: lazyRouteComponent(() => import('../storefronts/narai/NaraiPage')),
})

// The room stays mounted while its conversations change, so a first message does not tear down its own page.
const misakiRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/misaki',
  component: lazyRouteComponent(() => import('../storefronts/misaki/MisakiPage')),
})
const misakiEntranceRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/' })
const misakiChatRoute = createRoute({ getParentRoute: () => misakiRoute, path: '/chat/$chatId' })

const routeTree = rootRoute.addChildren([
  houseRoute.addChildren([welcomeRoute, signInRoute, signUpRoute, accountRoute, webgptRoute, genaiRoute, naraiRoute]),
  misakiRoute.addChildren([misakiEntranceRoute, misakiChatRoute]),
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
}
