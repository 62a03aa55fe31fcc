import { configure } from '@testing-library/react'

// A page is read in when it is first asked for, which takes its time on a machine that has other things to do.
configure({ asyncUtilTimeout: 15_000 })
